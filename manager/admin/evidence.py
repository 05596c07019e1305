"""What the desk saw when it closed, opened or queued something by itself, as sentences and figures.

The record is JSON (docs/events.md); what a plugin or a later engine adds to it is shown as it is kept.
"""

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from manager.admin import show

_KNOWN = {"tick", "trigger", "level", "source", "hooks", "before", "after", "dealer"}

_MADE = (("source", "Made by"), ("dealer", "Dealer"))


def shown(value: Any) -> SafeString | str:
    """Return tick, trigger, level, answers of plugins, and the account's figures before and after."""
    if not value:
        return show.EMPTY
    if not isinstance(value, dict):
        return show.raw(value)
    tick = value.get("tick") or {}
    pairs: list[tuple[str, Any]] = []
    if value.get("trigger"):
        pairs.append(("Trigger", show.words(str(value["trigger"]))))
    if value.get("level") is not None:
        pairs.append(("Level", value["level"]))
    pairs += [(words, show.words(str(value[key]))) for key, words in _MADE if value.get(key)]
    if tick:
        pairs += [
            ("Symbol", tick.get("symbol", show.EMPTY)),
            ("Bid", tick.get("bid", show.EMPTY)),
            ("Ask", tick.get("ask", show.EMPTY)),
            ("Tick of", show.moment(tick.get("time_ms"))),
        ]
    hooks = value.get("hooks")
    if hooks is not None:
        answers = ", ".join(f"{name}: {answer}" for name, answer in hooks.items())
        pairs.append(("Plugins", answers or "none asked"))
    rest = {key: held for key, held in value.items() if key not in _KNOWN}
    return format_html(
        "{}{}{}", show.facts(pairs), _before_and_after(value), show.raw(rest) if rest else SafeString("")
    )


def in_short(value: Any) -> str:
    """Return the heart of the record on one line, for lists."""
    if not isinstance(value, dict):
        return ""
    tick = value.get("tick") or {}
    parts = [
        f"level {value['level']}" if value.get("level") is not None else "",
        f"tick {tick['bid']}/{tick['ask']}" if "bid" in tick and "ask" in tick else "",
    ]
    before = value.get("before") or {}
    if before.get("level") is not None:
        parts.append(f"margin level {before['level']} %")
    return ", ".join(part for part in parts if part)


def _before_and_after(value: dict[str, Any]) -> SafeString | str:
    before, after = value.get("before") or {}, value.get("after") or {}
    if not before and not after:
        return SafeString("")
    names = {"equity": "Equity", "margin": "Margin", "level": "Margin level"}
    keys = [*names, *(key for key in {**before, **after} if key not in names)]
    rows = [
        (names.get(key, show.words(key)), _figure(key, before.get(key)), _figure(key, after.get(key)))
        for key in keys
        if key in before or key in after
    ]
    return show.table(("Account", "Before", "After"), rows)


def _figure(key: str, held: Any) -> Any:
    if held is None:
        return show.NO_FIGURE
    try:
        return show.percent(held) if key == "level" else show.number(held)
    except ArithmeticError:  # not a number: something that a later engine has added
        return str(held)
