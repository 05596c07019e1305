"""How figures look in the admin: aligned, with the sign and an arrow on gains and losses, never colour alone."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from engine.enums import Side
from engine.order_types import OrderType

EMPTY = "-"
#: Characters of JSON that a page shows: a browser that lays out megabytes stands still.
RAW_CHARACTERS = 100_000
#: The same in a column of figures.
NO_FIGURE = mark_safe('<span class="td-num">-</span>')
#: Headers of columns of figures, which stand to the right.
FIGURES = frozenset(
    {
        "Volume", "Price", "Profit", "Fees", "Swap", "Long", "Short", "Net", "Net value", "Open price", "Now", "SL",
        "TP", "Amount", "Balance", "Before", "After", "Left", "Share", "Positions", "Accounts", "Bid", "Ask", "Age",
        "Ticks", "Equity", "Margin", "Called at", "Margin level",
    }
)  # fmt: skip


def number(value: Any, *, digits: int | None = None) -> SafeString | str:
    """Return a number with thousands separated, right-aligned by the style sheet."""
    if value is None or value == "":
        return NO_FIGURE
    exact = Decimal(value)
    text = f"{exact:,f}" if digits is None else f"{exact:,.{digits}f}"
    return format_html('<span class="td-num">{}</span>', text)


def money(value: Any, currency: str, digits: int) -> SafeString | str:
    """Return an amount with its currency and the currency's decimals."""
    if value is None or value == "":
        return NO_FIGURE
    return format_html('<span class="td-num">{} {}</span>', f"{Decimal(value):,.{digits}f}", currency)


def percent(value: Any) -> SafeString | str:
    """Return a percentage with two decimals at most as they were computed."""
    if value is None or value == "":
        return NO_FIGURE
    return format_html('<span class="td-num">{} %</span>', f"{Decimal(value):,f}")


def price(value: Any, digits: int | None = None) -> SafeString | str:
    """Return a price as it is written, without separators."""
    if value is None or value == "":
        return NO_FIGURE
    text = f"{Decimal(value):f}" if digits is None else f"{Decimal(value):.{digits}f}"
    return format_html('<span class="td-num">{}</span>', text)


def gain(value: Any) -> SafeString | str:
    """Return an amount with its sign and an arrow: up for a gain, down for a loss."""
    if value is None or value == "":
        return NO_FIGURE
    exact = Decimal(value)
    kind, arrow = ("gain", "▲") if exact > 0 else ("loss", "▼") if exact < 0 else ("even", "")
    return format_html(
        '<span class="td-num td-{}"><span aria-hidden="true">{}</span> {}</span>', kind, arrow, f"{exact:+,f}"
    )


def signed(value: Any) -> SafeString | str:
    """Return an amount that is no gain and no loss with its sign: a net position."""
    if value is None or value == "":
        return NO_FIGURE
    return figure(f"{Decimal(value):+,f}" if value else "0")


def side(word: str) -> SafeString:
    """Return a side or an order's type with the side's arrow."""
    row = OrderType(word)  # a side's own word is that of its market order
    is_buy = row.side is Side.BUY
    return format_html(
        '<span class="td-{}"><span aria-hidden="true">{}</span> {}</span>',
        "buy" if is_buy else "sell",
        "↑" if is_buy else "↓",
        row.words,
    )


def time(instant: datetime | None) -> SafeString | str:
    """Return an instant to the second, UTC, with its milliseconds at hand."""
    if instant is None:
        return EMPTY
    return format_html(
        '<time class="td-time" title="{}">{}</time>',
        f"{instant:%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03d} UTC",
        f"{instant:%Y-%m-%d %H:%M:%S}",
    )


def link(app_model: str, key: Any, text: Any = None) -> SafeString | str:
    """Return a link to the page of a row, `app_model` as in "orders_order"; "-" where there is no key."""
    if not key:
        return EMPTY
    return format_html(
        '<a class="td-link" href="{}">{}</a>', reverse(f"admin:{app_model}_change", args=[key]), text or key
    )


def moment(time_ms: Any) -> SafeString | str:
    """Return an instant given in milliseconds, with its milliseconds."""
    if not time_ms:
        return EMPTY
    instant = datetime.fromtimestamp(int(time_ms) / 1000, UTC)
    return f"{instant:%Y-%m-%d %H:%M:%S}.{int(time_ms) % 1000:03d} UTC"


def words(value: str) -> str:
    """Return a word of the engine as one reads it: `stop_loss` as "Stop loss"."""
    text = value.replace("_", " ")
    return text[:1].upper() + text[1:].lower() if text.isupper() else text[:1].upper() + text[1:]


def flag(text: str, kind: str = "") -> SafeString:
    """Return a word that stands out; `kind` is "good", "warn", "bad" or nothing."""
    return format_html('<span class="td-flag{}">{}</span>', f" td-flag-{kind}" if kind else "", text)


def switch(level: str) -> SafeString | str:
    """Return a kill switch where it is turned, as a mark."""
    return EMPTY if level == "normal" else flag(level.replace("_", " "), "bad")


def figure(text: str) -> SafeString:
    """Return a figure that is already text."""
    return format_html('<span class="td-num">{}</span>', text)


def titled(text: str, more: str) -> SafeString:
    """Return a word with more to be read at hand."""
    return format_html('<span title="{}">{}</span>', more, text)


def text(value: str) -> SafeString | str:
    """Return text as it is kept, line by line."""
    return format_html('<pre class="td-json">{}</pre>', value) if value else EMPTY


def none(words_: str) -> SafeString:
    """Return what stands where there is nothing."""
    return format_html('<p class="td-none">{}</p>', words_)


def raw(value: Any) -> SafeString | str:
    """Return JSON as it is kept, up to what a page can show."""
    if not value:
        return EMPTY
    whole = json.dumps(value, indent=2, ensure_ascii=False)
    more = f"\n... and {len(whole) - RAW_CHARACTERS:,} more characters" if len(whole) > RAW_CHARACTERS else ""
    return format_html('<pre class="td-json">{}{}</pre>', whole[:RAW_CHARACTERS], more)


def plain(value: Any) -> str:
    """Return a factor without the zeros at its end."""
    exact = Decimal(value)
    return f"{exact.quantize(Decimal(1)) if exact == exact.to_integral() else exact.normalize():f}"


def age(seconds: float, limit_s: int = 0) -> SafeString:
    """Return how long ago something was, marked where it is longer than `limit_s` (0: never)."""
    text = (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
    if limit_s and seconds > limit_s:
        return format_html(
            '<span class="td-num"><span class="td-flag td-flag-bad">{} old</span></span>', text
        )
    return format_html('<span class="td-num">{}</span>', text)


def facts(pairs: Iterable[tuple[str, Any]]) -> SafeString:
    """Return labelled figures side by side."""
    cells = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", pairs)
    return format_html('<dl class="td-facts">{}</dl>', cells)


def table(headers: Iterable[str], rows: Iterable[Iterable[Any]], *, none: str = "") -> SafeString | str:
    """Return a small table; without rows what `none` says, else "-"."""
    lines = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((c,) for c in row)),) for row in rows)
    )
    if not lines:
        return format_html('<p class="td-none">{}</p>', none) if none else EMPTY
    head = format_html_join(
        "", '<th scope="col" class="{}">{}</th>', (("td-right" if h in FIGURES else "", h) for h in headers)
    )
    return format_html(
        '<div class="td-scroll" tabindex="0"><table class="td-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        lines,
    )
