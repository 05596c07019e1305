"""How figures look in the admin: aligned, with the sign and an arrow on gains and losses, never colour alone."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

EMPTY = "-"
#: Headers of columns of figures, which stand to the right.
FIGURES = frozenset({"Volume", "Price", "Profit", "Fees", "Swap", "Long", "Short", "Net"})


def number(value: Any, *, digits: int | None = None) -> SafeString | str:
    """Return a number with thousands separated, right-aligned by the style sheet."""
    if value is None or value == "":
        return EMPTY
    exact = Decimal(value)
    text = f"{exact:,f}" if digits is None else f"{exact:,.{digits}f}"
    return format_html('<span class="td-num">{}</span>', text)


def price(value: Any, digits: int | None = None) -> SafeString | str:
    """Return a price as it is written, without separators."""
    if value is None or value == "":
        return EMPTY
    text = f"{Decimal(value):f}" if digits is None else f"{Decimal(value):.{digits}f}"
    return format_html('<span class="td-num">{}</span>', text)


def gain(value: Any) -> SafeString | str:
    """Return an amount with its sign and an arrow: up for a gain, down for a loss."""
    if value is None or value == "":
        return EMPTY
    exact = Decimal(value)
    kind, arrow = ("gain", "▲") if exact > 0 else ("loss", "▼") if exact < 0 else ("even", "")
    return format_html(
        '<span class="td-num td-{}"><span aria-hidden="true">{}</span> {}</span>', kind, arrow, f"{exact:+,f}"
    )


def side(word: str) -> SafeString:
    """Return buy or sell with an arrow."""
    is_buy = word.startswith("buy")
    return format_html(
        '<span class="td-{}"><span aria-hidden="true">{}</span> {}</span>',
        "buy" if is_buy else "sell",
        "↑" if is_buy else "↓",
        word.replace("_", " "),
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


def evidence(value: Any) -> SafeString | str:
    """Return what a deal or request recorded, as text that can be read."""
    if not value:
        return EMPTY
    return format_html('<pre class="td-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def table(headers: Iterable[str], rows: Iterable[Iterable[Any]]) -> SafeString | str:
    """Return a small table, "-" without rows."""
    lines = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((c,) for c in row)),) for row in rows)
    )
    if not lines:
        return EMPTY
    head = format_html_join(
        "", '<th class="{}">{}</th>', (("td-right" if h in FIGURES else "", h) for h in headers)
    )
    return format_html(
        '<div class="td-scroll"><table class="td-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        lines,
    )
