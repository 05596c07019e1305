"""Exact numbers: reading decimal text, rounding half up, printing.

Everything is int or Fraction. Rounding is half up with ties away from zero (rules section 1), once, at the
moment when an amount becomes money.
"""

import re
from fractions import Fraction
from functools import lru_cache

_MOST_DIGITS = 25  # of a number, on each side of the point
_EXPONENT = re.compile(r"[+-]?\d{1,25}(\.\d{1,25})?[eE][+-]?\d{1,2}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,25}(\.\d{1,25})?", re.ASCII)


def parse_decimal(text: object) -> Fraction | None:
    """Return the number that this decimal text (or int) holds, None where it is not one.

    Exponents, infinities and more than 25 digits on a side are not taken.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return Fraction(text)
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        return None
    return Fraction(text)


def parse_price(text: object) -> Fraction | None:
    """Return the number of a feed's price, which may have an exponent (1.1e0), None where it is none.

    The exponent is bounded before it is expanded: written out, it has at most 25 digits on a side like any other.
    """
    number = parse_decimal(text)
    if number is not None or not isinstance(text, str) or not _EXPONENT.fullmatch(text):
        return number
    number = Fraction(text)
    fits = abs(number) < 10**_MOST_DIGITS and (number * 10**_MOST_DIGITS).denominator == 1
    return number if fits else None


def on_grid(text: object, digits: int) -> int | None:
    """Return decimal text as a whole number of 10^-digits, None where it is no such number."""
    number = parse_decimal(text)
    if number is None:
        return None
    scaled = number * 10**digits
    return scaled.numerator if scaled.denominator == 1 else None


def divide_half_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded half up, ties away from zero; denominator > 0."""
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((-2 * numerator + denominator) // (2 * denominator))


def round_half_up(value: Fraction) -> int:
    """Return the value rounded to a whole number, ties away from zero."""
    return divide_half_up(value.numerator, value.denominator)


@lru_cache(maxsize=65_536)
def to_text(number: int, digits: int) -> str:
    """Return a whole number of 10^-digits as decimal text with exactly `digits` decimals.

    A close prints sixty numbers, most of them several times: for its row, its event and its evidence.
    """
    text = str(number)
    if digits == 0:
        return text
    if number > 0 and len(text) > digits:
        return f"{text[:-digits]}.{text[-digits:]}"
    sign, padded = ("-", text[1:]) if number < 0 else ("", text)
    padded = padded.zfill(digits + 1)
    return f"{sign}{padded[:-digits]}.{padded[-digits:]}"


def exact_text(value: Fraction) -> str:
    """Return a Fraction that was read from decimal text as decimal text, without superfluous zeros."""
    digits = 0
    while (10**digits * value.numerator) % value.denominator:
        digits += 1
    return to_text(value.numerator * 10**digits // value.denominator, digits)


def fraction_text(value: Fraction, digits: int) -> str:
    """Return a Fraction printed half up with `digits` decimals."""
    return to_text(round_half_up(value * 10**digits), digits)


def spread_halves(spread_diff: int) -> tuple[int, int]:
    """Return how far a group's spread moves the bid down and the ask up, in points (§2.3): floor and ceil of the half."""
    below = spread_diff // 2
    return below, spread_diff - below
