"""What the desk publishes as REST shows the same things, so that a client holds one shape whichever door it came through.

A position's booked profit is `realised_profit`; its floating profit comes with live values only. It changes names and
forms, never a number: dealing/shapes.py has both.
"""

from typing import Any

from dealing.shapes import SHAPES

LIVE_OF_PLAN = frozenset(("effective_stop", "stop_source", "high_water_mark", "open_profit"))


def client_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return a published event with its data in the clients' shape."""
    data = {
        name: SHAPES[name].client(value) if name in SHAPES and isinstance(value, dict) else value
        for name, value in event["data"].items()
    }
    return {**event, "data": data}


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
