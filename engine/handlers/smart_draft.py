"""A smart order as it is asked for: its texts read, its volumes computed, its entry order made.

Nothing is judged here; that is smart_placing.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from engine import checks, plans
from engine.commands import PlaceSmart
from engine.core import Core
from engine.enums import EntryType, OrderReason, OrderStatus, SmartState
from engine.order_types import ENTRY_TYPES
from engine.price_checks import ExitPrice
from engine.records import Level, Order, SmartOrder
from engine.rounding import parse_decimal
from engine.settings import Symbol


@dataclass(slots=True)
class Draft:
    """A smart order as it was read: prices in points, None where the text was no price."""

    symbol: Symbol
    units: int | None
    price: int | None
    level_prices: list[int | None] = field(default_factory=list)
    percents: list[Fraction] = field(default_factory=list)
    volumes: list[int] = field(default_factory=list)
    stop_loss: int | None = None
    callback: Fraction | None = None
    activation: int | None = None


def read_draft(symbol: Symbol, command: PlaceSmart) -> Draft:
    """Return the plan of a command with its texts read and its level volumes computed."""
    units = checks.read_volume(command.volume)
    draft = Draft(symbol, units, checks.read_price(symbol, command.price))
    for price, percent in command.take_profits:
        draft.level_prices.append(checks.read_price(symbol, price))
        draft.percents.append(parse_decimal(percent) or Fraction(0))
    if units is not None:
        draft.volumes = plans.level_volumes(units, symbol.volume_step, draft.percents)
    draft.stop_loss = checks.read_level(symbol, command.stop_loss)
    if command.callback is not None:
        draft.callback = parse_decimal(command.callback)
    draft.activation = checks.read_price(symbol, command.activation)
    return draft


def exit_prices(
    stop_loss: str | None, levels: Sequence[Sequence[str]], activation: str | None = None
) -> list[ExitPrice]:
    """Return a smart order's exit prices as they are asked for.

    Nothing is closed at an activation price: it has a side, but stops_level keeps only the others away.
    """
    ahead = [
        ExitPrice(f"take profit {number}", str(price), is_ahead=True, may_be_none=False)
        for number, (price, _) in enumerate(levels, start=1)
    ]
    starts = ExitPrice("activation", activation, is_ahead=True, may_be_none=False, keeps_distance=False)
    return [ExitPrice("stop loss", stop_loss, is_ahead=False), *ahead, starts]


def new_smart(core: Core, command: PlaceSmart, draft: Draft) -> SmartOrder:
    """Return the smart order that a draft without faults asks for."""
    now = core.state.now_ms
    assert draft.units is not None
    smart = SmartOrder(
        id=command.smart or core.new_order_ticket(), login=command.login, symbol=command.symbol,
        side=command.side, volume=draft.units, entry=command.entry, state=SmartState.PENDING, created_ms=now,
        modified_ms=now, stop_loss=draft.stop_loss, callback=draft.callback, activation=draft.activation,
        break_even=command.break_even, offset=command.offset, remaining=draft.units,
        digits=draft.symbol.digits, client_id=command.client_id, comment=command.comment,
    )  # fmt: skip
    for number, price in enumerate(draft.level_prices, start=1):
        assert price is not None
        smart.levels.append(Level(number, price, draft.percents[number - 1], draft.volumes[number - 1]))
    return smart


def bare_smart(command: PlaceSmart, draft: Draft) -> SmartOrder:
    """Return the smart order of a draft as far as its stops go."""
    return SmartOrder(
        id=0, login=command.login, symbol=command.symbol, side=command.side, volume=draft.units or 0,
        entry=command.entry, state=SmartState.PENDING, created_ms=0, modified_ms=0, digits=draft.symbol.digits,
        stop_loss=draft.stop_loss, callback=draft.callback, activation=draft.activation,
        break_even=command.break_even, offset=command.offset,
    )  # fmt: skip


def entry_order(core: Core, command: PlaceSmart, smart: SmartOrder, draft: Draft) -> Order:
    """Return the order by which a smart order gets its position."""
    order_type = ENTRY_TYPES[command.entry, command.side]
    now = core.state.now_ms
    order = Order(
        ticket=command.ticket or core.new_order_ticket(), login=command.login, symbol=command.symbol,
        type=order_type, volume=smart.volume, status=OrderStatus.PENDING, reason=OrderReason.SMART_ORDER,
        created_ms=now, modified_ms=now, smart=smart.id, comment=command.comment, actor=command.actor,
        digits=smart.digits,
    )  # fmt: skip
    if command.entry is EntryType.MARKET:
        view = checks.standing_view(core.state, command.login, draft.symbol)
        order.requested_price = checks.market_price(view, command.side, opening=True)
    else:
        order.price = order.requested_price = draft.price
    return order
