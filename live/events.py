"""Event data as REST shows the same things, so that a client holds one shape whichever door it came through.

The desk publishes records with times in ms and 0 for "none"; clients get ISO 8601, null, and the names of the
REST answers. A position's booked profit is `realised_profit`; its floating profit comes with live values only.
It changes names and forms, never a number.
"""

from typing import Any

from dealing.columns import iso, moment

_TIMES = {
    "created_ms": "created_at",
    "modified_ms": "modified_at",
    "opened_ms": "opened_at",
    "expires_ms": "expires_at",
    "requote_expires_ms": "requote_expires_at",
    "time_ms": "time",
}
ENDED = frozenset(("STOPPED", "CLOSED", "CANCELLED"))
LIVE_OF_PLAN = frozenset(("effective_stop", "stop_source", "high_water_mark", "open_profit"))
_NULLS = frozenset(
    ("position", "smart", "order", "deal", "request", "level", "opposite", "error", "client_id", "leverage")
)


def client_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return a published event with its data in the clients' shape."""
    return {**event, "data": {name: _shape(name, value) for name, value in event["data"].items()}}


def client_live(data: dict[str, Any]) -> dict[str, Any]:
    """Return published live values of an account as one flat record, positions and plans by number below it."""
    figures = {key: value for key, value in data["account"].items() if key not in ("login", "currency")}
    return {
        **figures,
        "time_ms": data["time_ms"],
        "positions": {
            ticket: {key: view.get(key) for key in ("profit", "price", "sl", "next_swap")}
            for ticket, view in data["positions"].items()
        },
        "smart": {
            number: {key: value for key, value in view.items() if key in LIVE_OF_PLAN}
            for number, view in data["smart"].items()
        },
    }


def _shape(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    shaped = _thing(value)
    if name == "position":
        shaped["realised_profit"] = shaped.pop("profit", None)
    elif name == "order":
        expires_at = shaped.pop("expires_at", None)
        shaped["expires"] = expires_at or ("day" if shaped.pop("expires_day", False) else "gtc")
        shaped.pop("expires_day", None)
    elif name == "account":
        shaped["login"] = shaped.pop("account", None)
        if shaped.get("leverage") is None:  # the group's, which the event does not know
            shaped.pop("leverage", None)
    elif name == "smart" and "levels" in shaped:
        shaped["levels"] = [_thing(level) for level in shaped["levels"]]
        _show_fired(shaped)
        shaped["filled"] = sum(level["status"] == "FILLED" for level in shaped["levels"])
    return shaped


def _show_fired(plan: dict[str, Any]) -> None:
    """Let the effective stop of a plan that was stopped be the one that fired, of one that ended otherwise none (§9.2)."""
    fired = plan.pop("fired_stop", None)
    if plan["state"] in ENDED:
        plan |= {"effective_stop": fired if plan["state"] == "STOPPED" else None, "stop_source": None}


def _thing(values: dict[str, Any]) -> dict[str, Any]:
    """Return one record with REST's names: times as ISO 8601, null for none, `account` for the login."""
    shaped: dict[str, Any] = {}
    for key, value in values.items():
        if key in _TIMES:
            shaped[_TIMES[key]] = iso(moment(value)) if value else None
        elif key == "login":
            shaped["account"] = value
        elif key in _NULLS:
            shaped[key] = value or None
        else:
            shaped[key] = value
    return shaped
