"""Lives as tables: which status may follow which, and the one function that advances a record.

A database CheckConstraint repeats the sets of words; this file is what keeps the transitions.
"""

from typing import Any

from engine.enums import LevelStatus, OrderStatus, PositionStatus, SmartState

ORDER_LIFE = {
    OrderStatus.PENDING: {OrderStatus.COMPLETED, OrderStatus.CANCELED, OrderStatus.FAILED},
    OrderStatus.COMPLETED: set(),
    OrderStatus.CANCELED: set(),
    OrderStatus.FAILED: set(),
}

POSITION_LIFE = {
    PositionStatus.OPEN: {PositionStatus.CLOSED},
    PositionStatus.CLOSED: set(),
}

SMART_LIFE = {
    SmartState.PENDING: {SmartState.ACTIVE, SmartState.CANCELLED},
    SmartState.ACTIVE: {
        SmartState.PARTIALLY_CLOSED,
        SmartState.CLOSED,
        SmartState.STOPPED,
        SmartState.CANCELLED,
    },
    SmartState.PARTIALLY_CLOSED: {SmartState.CLOSED, SmartState.STOPPED, SmartState.CANCELLED},
    SmartState.CLOSED: set(),
    SmartState.STOPPED: set(),
    SmartState.CANCELLED: set(),
}

LEVEL_LIFE = {
    LevelStatus.PENDING: {LevelStatus.TRIGGERED, LevelStatus.FILLED, LevelStatus.CANCELLED},
    LevelStatus.TRIGGERED: {LevelStatus.PENDING, LevelStatus.FILLED, LevelStatus.CANCELLED},
    LevelStatus.FILLED: set(),
    LevelStatus.CANCELLED: set(),
}

LIVE_SMART = frozenset({SmartState.PENDING, SmartState.ACTIVE, SmartState.PARTIALLY_CLOSED})
OPEN_LEVEL = frozenset({LevelStatus.PENDING, LevelStatus.TRIGGERED})

_LIVES: dict[type, dict[Any, set[Any]]] = {
    OrderStatus: ORDER_LIFE,
    PositionStatus: POSITION_LIFE,
    SmartState: SMART_LIFE,
    LevelStatus: LEVEL_LIFE,
}


class LifecycleError(AssertionError):
    """The engine tried a step that no life allows: a fault of ours, which stops the desk."""


def advance(record: Any, attribute: str, to: Any) -> None:
    """Set `record.attribute` to `to`.

    Raises:
        LifecycleError: the table of lives has no such step.
    """
    now = getattr(record, attribute)
    if to not in _LIVES[type(now)][now]:
        raise LifecycleError(f"{type(record).__name__} cannot go from {now} to {to}")
    setattr(record, attribute, to)
