"""What a door says of a desk's answer."""

from dealing.services import Outcome
from doors.errors import Refused
from engine.codes import Code


def done(outcome: Outcome) -> Outcome:
    """Return an outcome that was done.

    Raises:
        Refused: the desk refused it, or has not answered yet; the ticket tells which order is meant.
    """
    if outcome.state == "done":
        return outcome
    ticket = outcome.ticket or 0
    if outcome.state == "refused":
        data = outcome.data or {}
        raise Refused(
            outcome.code or Code.INTERNAL_ERROR,
            outcome.message or outcome.code,
            ticket=ticket,
            level=int(data.get("level") or 0),
            current=data.get("current"),
        )
    raise Refused(
        Code.UNAVAILABLE,
        "The desk has the request and has not answered yet; ask again with the same client id.",
        ticket=ticket,
    )
