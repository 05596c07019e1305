"""What a door says of a desk's answer."""

from collections.abc import Callable
from typing import Any

from api.http.errors import Refused
from dealing.columns import iso, moment
from dealing.services import Outcome
from engine.codes import Code


def done(outcome: Outcome, *, current: Callable[[], Any] | None = None) -> Outcome:
    """Return an outcome that was done; `current` shows, after a conflict, what stands.

    Raises:
        Refused: the desk refused it, or has not answered yet; the ticket tells which order is meant.
    """
    if outcome.state == "done":
        return outcome
    ticket = outcome.ticket or 0
    if outcome.state == "refused":
        data = outcome.data or {}
        stands = current() if current is not None and outcome.code == Code.CONFLICT else data.get("current")
        raise Refused(
            outcome.code or Code.INTERNAL_ERROR,
            outcome.message or outcome.code,
            ticket=ticket,
            level=int(data.get("level") or 0),
            current=stands,
            requote=_offer(data) if outcome.code == Code.REQUOTE else None,
        )
    raise Refused(
        Code.UNAVAILABLE,
        "The desk has the request and has not answered yet; ask again with the same client id.",
        ticket=ticket,
    )


def _offer(data: dict[str, Any]) -> dict[str, Any]:
    """Return the price that was offered instead and until when it may be accepted, null where it may not."""
    until = data.get("requote_expires_ms")
    return {
        "requote_price": data.get("requote_price"),
        "requote_expires_at": iso(moment(until)) if until else None,
    }
