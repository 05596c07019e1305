"""Answers of handlers: how a refusal becomes one."""

from typing import Any

from engine.events import CommandDone
from engine.refusals import Refusal


def refused(
    refusal: Refusal, *, ticket: int = 0, login: int = 0, data: dict[str, Any] | None = None
) -> CommandDone:
    """Return a refusal as the answer to its command; `ticket` is the number of what was asked for or about."""
    return CommandDone(refusal.code, refusal.sentence, ticket, login, refusal.level, data)
