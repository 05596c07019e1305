"""Rounding and printing of exact fractions (rules section 1)."""

from fractions import Fraction

EIGHT_DIGITS = frozenset(
    ["BTC", "ETH", "LTC", "XRP", "BCH", "SOL", "BNB", "ADA", "DOT", "DOGE", "USDT", "USDC"]
)


def rounded(value: Fraction, digits: int) -> Fraction:
    """Return value with that many digits, half up: ties go away from zero."""
    scale = 10**digits
    whole, rest = divmod(abs(value.numerator) * scale, value.denominator)
    if rest * 2 >= value.denominator:
        whole += 1
    return Fraction(whole if value >= 0 else -whole, scale)


def printed(value: Fraction | None, digits: int) -> str | None:
    """Return decimal text with exactly that many digits, rounded half up, or None for None."""
    if value is None:
        return None
    whole = rounded(value, digits) * 10**digits
    text = str(abs(whole.numerator)).rjust(digits + 1, "0")
    sign = "-" if whole < 0 else ""
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def on_grid(value: Fraction, step: Fraction) -> bool:
    """Return whether value is a whole number of steps."""
    return (value / step).denominator == 1


def digits_of(text: str) -> int:
    """Return how many digits after the point a step such as "0.01" has, without trailing zeros."""
    tail = text.partition(".")[2].rstrip("0")
    return len(tail)


def money_digits(currency: str) -> int:
    """Return the digits of money in the currency."""
    if currency == "JPY":
        return 0
    return 8 if currency in EIGHT_DIGITS else 2
