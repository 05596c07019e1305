"""Creating, modifying, cancelling and closing smart orders (rules section 9)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from engine import checks, plans, refusals, smart_life
from engine.checks import first_failure
from engine.codes import Code
from engine.commands import CancelSmart, ClosePosition, ModifySmart, PlaceSmart
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_order
from engine.enums import (
    By,
    EntryType,
    LevelStatus,
    OrderReason,
    OrderStatus,
    RequestKind,
    Side,
    SmartState,
    Tier,
)
from engine.events import CommandDone
from engine.execution import netting_position, open_deal
from engine.handlers import closing
from engine.handlers.orders import fill_of
from engine.lifecycle import OPEN_LEVEL
from engine.order_ending import cancel_order
from engine.order_types import ENTRY_TYPES, PRICED_ENTRIES
from engine.records import Level, Order, Position, SmartOrder
from engine.refusals import Asked
from engine.rounding import parse_decimal
from engine.settings import Symbol

_TIERS = {tier: rank for rank, tier in enumerate(Tier)}


@dataclass(slots=True)
class Draft:
    """A plan as it was read: prices in points, None where the text was no price."""

    symbol: Symbol
    units: int | None
    price: int | None
    level_prices: list[int | None] = field(default_factory=list)
    percents: list[Fraction] = field(default_factory=list)
    volumes: list[int] = field(default_factory=list)
    stop_loss: int | None = None
    callback: Fraction | None = None
    activation: int | None = None
    fault: int | None = None  # number of the level that is at fault


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


def place(core: Core, command: PlaceSmart) -> CommandDone:
    """Check a plan, then take over a position, execute its entry, queue it or arm it."""
    state = core.state
    code, draft = _placing_failure(core, command)
    if code is not None or draft is None:
        level = draft.fault if draft is not None and code is Code.INVALID_LEVELS else None
        said = refusals.text(core, code or "", _asked(core, command, level or 0))
        return CommandDone(code or "", said, ticket=command.smart, login=command.login, level=level or 0)
    smart = _new_smart(core, command, draft)
    core.created.add(smart.id)
    core.save_smart(smart, "created", {"entry": command.entry.value})
    if command.entry is EntryType.POSITION:
        position = state.positions[command.position or 0]
        smart_life.start_smart(core, smart, position, position.open_price)
        return _done(smart)
    order = _entry_order(core, command, smart, draft)
    smart.order = order.ticket
    core.save_order(order)
    if command.entry is not EntryType.MARKET:
        core.arm_order(order)
    elif command.by is By.CLIENT and not executes_by_itself(core, order.login, order.symbol):
        queue_order(core, order, RequestKind.MARKET, side=smart.side)
    else:
        assert order.requested_price is not None
        open_deal(core, order, fill_of(command, order, order.requested_price))
    return _done(smart)


def _asked(core: Core, command: PlaceSmart, level: int) -> Asked:
    """Return what a plan asked for, for its refusal."""
    symbol, takes_over = core.state.symbols.get(command.symbol), command.entry is EntryType.POSITION
    asked = Asked(
        login=command.login, name=command.symbol, by=command.by, side=command.side, volume=command.volume,
        type=ENTRY_TYPES.get((command.entry, command.side)), price=command.price, callback=command.callback,
        offset=command.offset, levels=[(price, percent) for price, percent in command.take_profits],
        level=level, position=command.position if takes_over else None, takes_over=takes_over,
    )  # fmt: skip
    if symbol is not None and command.login in core.state.accounts:
        if command.entry in PRICED_ENTRIES:
            asked.base = checks.read_price(symbol, command.price)
        else:
            asked.base = refusals.exit_base(core, command.login, symbol, command.side)
        position = core.state.book(command.login).positions.get(asked.position or 0)
        asked.whole = None if position is None else position.volume
    asked.stops = _stops(command.stop_loss, command.take_profits, command.activation)
    return asked


def _stops(
    stop_loss: str | None, levels: Sequence[Sequence[str]], activation: str | None = None
) -> list[tuple[str, str | None, bool]]:
    """Return a plan's exit prices as a refusal names them."""
    ahead = [(f"take profit {n}", price, True) for n, (price, _) in enumerate(levels, start=1)]
    return [("stop loss", stop_loss, False), *ahead, ("activation", activation, True)]


def _done(smart: SmartOrder) -> CommandDone:
    return CommandDone("", ticket=smart.order or smart.position, login=smart.login, data={"smart": smart.id})


def _new_smart(core: Core, command: PlaceSmart, draft: Draft) -> SmartOrder:
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


def _entry_order(core: Core, command: PlaceSmart, smart: SmartOrder, draft: Draft) -> Order:
    order_type = ENTRY_TYPES[command.entry, command.side]
    now = core.state.now_ms
    order = Order(
        ticket=command.ticket or core.new_order_ticket(), login=command.login, symbol=command.symbol,
        type=order_type, volume=smart.volume, status=OrderStatus.PENDING, reason=OrderReason.SMART_ORDER,
        created_ms=now, modified_ms=now, smart=smart.id, comment=command.comment, actor=command.actor,
        digits=smart.digits,
    )  # fmt: skip
    if command.entry is EntryType.MARKET:
        view = checks.view_of(core, command.login, draft.symbol)
        assert view is not None
        order.requested_price = checks.market_price(view, command.side, opening=True)
    else:
        order.price = order.requested_price = draft.price
    return order


def _placing_failure(core: Core, command: PlaceSmart) -> tuple[Code | None, Draft | None]:
    state = core.state
    account = state.accounts.get(command.login)
    takes_over = command.entry is EntryType.POSITION
    code = checks.account_check(account, command.by, opening=not takes_over)
    if code is not None or account is None:
        return code, None
    if _TIERS[Tier(account.tier)] < _TIERS[Tier.PRO]:
        return Code.SUBSCRIPTION_REQUIRED, None
    symbol = state.symbols.get(command.symbol)
    if symbol is None:
        return Code.SYMBOL_NOT_FOUND, None
    position = state.book(command.login).positions.get(command.position or 0) if takes_over else None
    if takes_over:
        code = _takeover_failure(command, position)
        if code is not None:
            return code, None
    draft = read_draft(symbol, command)
    return _draft_failure(core, command, draft, position), draft


def _takeover_failure(command: PlaceSmart, position: Position | None) -> Code | None:
    if position is None or position.symbol != command.symbol or position.side is not command.side:
        return Code.POSITION_NOT_FOUND
    return Code.MANAGED_BY_SMART_ORDER if position.smart else None


def _draft_failure(core: Core, command: PlaceSmart, draft: Draft, position: Position | None) -> Code | None:
    symbol, side = draft.symbol, command.side
    market = command.entry is EntryType.MARKET
    opens = position is None
    return first_failure(
        lambda: checks.trade_mode_check(symbol, side, opening=True) if opens else None,
        lambda: checks.session_check(core, symbol, command.by),
        lambda: checks.quote_check(core, symbol, fresh=market),
        lambda: checks.rates_check(core, command.login, symbol, side) if market else None,
        lambda: _volume_failure(draft, position),
        lambda: _entry_price_failure(core, command, draft),
        lambda: _exits_failure(core, command, draft),
        lambda: _derived_stops_failure(core, command, draft, position),
        lambda: _levels_failure(command, draft),
        lambda: checks.limit_check(core, command.login, adds=_adds(core, command)) if opens else None,
        lambda: _exists_failure(core, command) if opens else None,
        lambda: checks.hedge_check(core, command.login, symbol.name, side) if market else None,
        lambda: _room_failure(core, command, draft) if opens else None,
    )


def _volume_failure(draft: Draft, position: Position | None) -> Code | None:
    if position is not None:
        return None if draft.units == position.volume else Code.INVALID_VOLUME
    return checks.volume_check(draft.symbol, draft.units)


def _entry_price_failure(core: Core, command: PlaceSmart, draft: Draft) -> Code | None:
    if command.entry not in PRICED_ENTRIES:
        return None
    view = checks.view_of(core, command.login, draft.symbol)
    assert view is not None
    order_type = ENTRY_TYPES[command.entry, command.side]
    return checks.pending_price_check(draft.symbol, order_type, draft.price, None, view, command.by)


def _exits_failure(core: Core, command: PlaceSmart, draft: Draft) -> Code | None:
    """Stop loss, levels and activation on their sides of the market or of the entry price."""
    if command.entry in PRICED_ENTRIES:
        base = draft.price
    else:
        view = checks.view_of(core, command.login, draft.symbol)
        assert view is not None
        base = checks.market_price(view, command.side, opening=False)
    assert base is not None
    if command.callback is not None and (draft.callback is None or not 0 < draft.callback < 100):
        return Code.INVALID_STOPS
    if command.offset < 0:
        return Code.INVALID_STOPS
    levels = [price for price, _ in command.take_profits]
    code = exit_prices_failure(draft.symbol, command.side, base, command.by, command.stop_loss, levels)
    if code is not None or command.activation is None:
        return code
    # Nothing is closed at an activation price: it has a side, but stops_level keeps only SL and TP away.
    if draft.activation is None:
        return Code.INVALID_STOPS
    is_ahead = draft.activation > base if command.side is Side.BUY else draft.activation < base
    return None if is_ahead else Code.INVALID_STOPS


def _derived_stops_failure(
    core: Core, command: PlaceSmart, draft: Draft, position: Position | None
) -> Code | None:
    """Judge the stop that trailing would make and where break-even would go, from the entry price (§9.9)."""
    view = checks.view_of(core, command.login, draft.symbol)
    assert view is not None
    market = checks.market_price(view, command.side, opening=False)
    if position is not None:
        entry, base = position.open_price, market
    elif command.entry is EntryType.MARKET:
        entry, base = Fraction(checks.market_price(view, command.side, opening=True)), market
    else:
        assert draft.price is not None
        entry, base = Fraction(draft.price), draft.price
    plan = _bare_plan(command, draft)
    plan.entry_price = entry
    plan.levels = [
        Level(n, price or 0, Fraction(0), 0) for n, price in enumerate(draft.level_prices, start=1)
    ]
    plans.start_mark(plan)
    reached = plans.is_reached(command.side, plans.effective_stop(plan), base)
    fits = plans.break_even_fits(plan, plans.nearest_point(entry))
    return Code.INVALID_STOPS if reached or not fits else None


def _bare_plan(command: PlaceSmart, draft: Draft) -> SmartOrder:
    """Return the plan of a draft as far as its stops go."""
    return SmartOrder(
        id=0, login=command.login, symbol=command.symbol, side=command.side, volume=draft.units or 0,
        entry=command.entry, state=SmartState.PENDING, created_ms=0, modified_ms=0, digits=draft.symbol.digits,
        stop_loss=draft.stop_loss, callback=draft.callback, activation=draft.activation,
        break_even=command.break_even, offset=command.offset,
    )  # fmt: skip


def _adds(core: Core, command: PlaceSmart) -> bool:
    """Return whether the entry adds a position or a pending order; one that meets a position is refused later."""
    return command.entry is not EntryType.MARKET or _exists_failure(core, command) is None


def exit_prices_failure(
    symbol: Symbol, side: Side, base: int, by: By, stop_loss: str | None, levels: list[str]
) -> Code | None:
    """Judge a stop loss and level prices like the SL and TP of an order at `base`."""
    code = checks.stops_check(symbol, side, base, by, sl=stop_loss, tp=None)
    for price in levels:
        if code is not None:
            return code
        if checks.read_price(symbol, price) is None:
            return Code.INVALID_STOPS
        code = checks.stops_check(symbol, side, base, by, sl=None, tp=price)
    return code


def _levels_failure(command: PlaceSmart, draft: Draft) -> Code | None:
    has_stop = draft.stop_loss is not None or draft.callback is not None
    prices = [price for price in draft.level_prices if price is not None]
    draft.fault = plans.faulty_level(
        draft.symbol, command.side, prices, draft.percents, draft.volumes, has_stop=has_stop
    )
    return None if draft.fault is None else Code.INVALID_LEVELS


def _exists_failure(core: Core, command: PlaceSmart) -> Code | None:
    if not core.state.is_netting(command.login):
        return None
    standing = netting_position(core, command.login, command.symbol)
    return Code.POSITION_EXISTS if standing is not None else None


def _room_failure(core: Core, command: PlaceSmart, draft: Draft) -> Code | None:
    probe = _bare_plan(command, draft)
    # A ticket, so that the probe does not use up one of the engine's own numbers.
    order = _entry_order(core, replace(command, ticket=command.ticket or -1), probe, draft)
    if command.entry is not EntryType.MARKET:
        return checks.reservation_check(core, order)
    assert order.requested_price is not None
    return checks.margin_check(core, order, order.requested_price)


# Standing plans


def _standing_failure(
    core: Core, command: ModifySmart | CancelSmart
) -> tuple[Code | None, SmartOrder | None]:
    account = core.state.accounts.get(command.login)
    code = checks.account_check(account, command.by, opening=False)
    if code is not None:
        return code, None
    smart = core.state.book(command.login).smarts.get(command.smart)
    if smart is None:
        return Code.SMART_NOT_FOUND, None
    if command.version is not None and command.version != smart.version:
        return Code.CONFLICT, smart
    return None, smart


def _refused(core: Core, code: Code, command: ModifySmart | CancelSmart, level: int = 0) -> CommandDone:
    """Return a refusal; its number is the plan's, whatever of it was refused."""
    said = refusals.text(core, code, _asked_change(core, command, level))
    return CommandDone(code, said, ticket=command.smart, login=command.login, level=level)


def _asked_change(core: Core, command: ModifySmart | CancelSmart, level: int) -> Asked:
    """Return what a change or an end of a plan asked for, for its refusal."""
    asked = Asked(
        login=command.login, by=command.by, smart=command.smart, version=command.version, level=level
    )
    account = core.state.accounts.get(command.login)
    smart = None if account is None else core.state.book(command.login).smarts.get(command.smart)
    if smart is None:
        return asked
    asked.name, asked.side = smart.symbol, smart.side
    if isinstance(command, ModifySmart):
        asked.base = _base_price(core, smart, core.state.symbols[smart.symbol])
        asked.callback, asked.offset = command.callback, command.offset
        asked.levels = [(price, percent) for price, percent in command.levels or []]
        asked.stops = _stops(command.stop_loss, asked.levels)
    return asked


def modify(core: Core, command: ModifySmart) -> CommandDone:
    """Change stop, callback, break-even or open levels; an explicit change may loosen the fixed stop only."""
    code, smart = _standing_failure(core, command)
    if code is not None or smart is None:
        return _refused(core, code or Code.SMART_NOT_FOUND, command)
    symbol = core.state.symbols[smart.symbol]
    levels = None
    code = _modified_exits_failure(core, command, smart, symbol)
    if code is None and command.levels is not None:
        levels, fault = _modified_levels(command, smart, symbol)
        if fault is not None:
            return _refused(core, Code.INVALID_LEVELS, command, fault)
    if code is None and not _still_exits(command, smart, symbol, levels):
        code = Code.INVALID_LEVELS
    if code is not None:
        return _refused(core, code, command)
    changed = _changed_plan(command, smart, symbol, levels)
    if _terms(changed) != _terms(smart):
        if _stop_is_reached(core, command, changed, symbol):
            return _refused(core, Code.INVALID_STOPS, command)
        _apply_modification(core, command, smart, changed)
    return CommandDone("", login=smart.login, ticket=smart.order, data={"smart": smart.id})


def _changed_plan(
    command: ModifySmart, smart: SmartOrder, symbol: Symbol, levels: list[Level] | None
) -> SmartOrder:
    """Return a copy of the plan with the change made, its mark written down and its stops moved."""
    standing = smart.levels if levels is None else levels
    plan = replace(
        smart, group=None, mark=plans.current_mark(smart), levels=[replace(level) for level in standing],
        stop_loss=checks.read_level(symbol, command.stop_loss, smart.stop_loss),
        offset=smart.offset if command.offset is None else command.offset,
        break_even=smart.break_even if command.break_even is None else command.break_even,
    )  # fmt: skip
    if command.callback is not None:
        callback = parse_decimal(command.callback) or None
        if callback != smart.callback:
            plans.change_callback(plan, callback)
    if levels is not None:
        plans.cut_levels(plan)
    plans.move_to_break_even(plan)
    return plan


def _terms(smart: SmartOrder) -> tuple[object, ...]:
    """Return what a modification may change; equal terms are no change (§9.12)."""
    levels = [(level.price, level.percent, level.volume, level.status) for level in smart.levels]
    return (
        smart.stop_loss, smart.callback, smart.offset, smart.break_even, smart.break_even_stop,
        smart.break_even_triggered, levels,
    )  # fmt: skip


def _stop_is_reached(core: Core, command: ModifySmart, plan: SmartOrder, symbol: Symbol) -> bool:
    """Return whether the stop that results is reached already, or break-even would go beyond level 1 (§9.9)."""
    base = _base_price(core, plan, symbol)
    assert base is not None
    moved = command.break_even is not None or command.offset is not None or command.levels is not None
    entry = base if plan.entry_price is None else plans.nearest_point(plan.entry_price)
    if moved and not plans.break_even_fits(plan, entry):
        return True
    return plans.is_reached(plan.side, plans.effective_stop(plan), base)


def _base_price(core: Core, smart: SmartOrder, symbol: Symbol) -> int | None:
    if smart.state is SmartState.PENDING:
        order = core.state.orders.get(smart.order)
        if order is not None and order.price is not None:
            return order.price
    view = checks.view_of(core, smart.login, symbol)
    return None if view is None else checks.market_price(view, smart.side, opening=False)


def _modified_exits_failure(
    core: Core, command: ModifySmart, smart: SmartOrder, symbol: Symbol
) -> Code | None:
    base = _base_price(core, smart, symbol)
    if base is None:
        return Code.OFF_QUOTES
    callback = parse_decimal(command.callback) if command.callback is not None else None
    if command.callback is not None and (callback is None or not 0 <= callback < 100):
        return Code.INVALID_STOPS
    if command.offset is not None and command.offset < 0:
        return Code.INVALID_STOPS
    prices = [price for price, _ in command.levels or []]
    return exit_prices_failure(symbol, smart.side, base, command.by, command.stop_loss, prices)


def _modified_levels(
    command: ModifySmart, smart: SmartOrder, symbol: Symbol
) -> tuple[list[Level], int | None]:
    """Return the levels after the change (those done are kept) and the number of a faulty one."""
    kept = [level for level in smart.levels if level.status not in OPEN_LEVEL]
    percents = [level.percent for level in kept if level.status is LevelStatus.FILLED]
    prices = [level.price for level in kept if level.status is LevelStatus.FILLED]
    new_prices, new_percents = [], []
    for price, percent in command.levels or []:
        points = checks.read_price(symbol, price)
        assert points is not None
        new_prices.append(points)
        new_percents.append(parse_decimal(percent) or Fraction(0))
    volumes = plans.level_volumes(smart.volume, symbol.volume_step, percents + new_percents)
    fault = plans.faulty_level(
        symbol, smart.side, prices + new_prices, percents + new_percents, volumes,
        has_stop=_has_stop(command, smart, symbol),
    )  # fmt: skip
    if fault is not None:
        return [], fault
    first = max((level.number for level in kept), default=0) + 1
    fresh = [
        Level(first + i, new_prices[i], new_percents[i], volumes[len(percents) + i])
        for i in range(len(new_prices))
    ]
    return kept + fresh, None


def _has_stop(command: ModifySmart, smart: SmartOrder, symbol: Symbol) -> bool:
    stop = checks.read_level(symbol, command.stop_loss, smart.stop_loss) is not None
    trails = smart.callback is not None if command.callback is None else parse_decimal(command.callback) != 0
    return stop or trails or smart.break_even_stop is not None or smart.trail_floor is not None


def _still_exits(command: ModifySmart, smart: SmartOrder, symbol: Symbol, levels: list[Level] | None) -> bool:
    """Return whether the changed plan still has an exit for all of its volume."""
    if _has_stop(command, smart, symbol):
        return True
    standing = smart.levels if levels is None else levels
    # By volume, not by percent: levels that a close by hand has cut away leave nothing uncovered.
    covered = sum(level.volume for level in standing if level.status in OPEN_LEVEL)
    return covered >= smart.remaining


def _apply_modification(core: Core, command: ModifySmart, smart: SmartOrder, changed: SmartOrder) -> None:
    trailed = smart.callback is not None
    core.sync_mark(smart)
    for name in ("stop_loss", "callback", "offset", "break_even", "levels", "trail_floor", "activated"):
        setattr(smart, name, getattr(changed, name))
    if smart.callback is None:
        core.arm_trailing(smart)  # leaves its trailing group
        smart.mark = None
    elif not trailed:
        smart_life.start_mark(core, smart)
    core.save_smart(smart, "modified", _changed(command))
    smart_life.move_to_break_even(core, smart)
    position = core.state.positions.get(smart.position)
    if position is not None and smart.position:
        core.save_position(position)
        core.arm_position(position)
    core.arm_trailing(smart)


def _changed(command: ModifySmart) -> dict[str, object]:
    names = ("stop_loss", "callback", "break_even", "offset", "levels")
    return {name: getattr(command, name) for name in names if getattr(command, name) is not None}


def cancel(core: Core, command: CancelSmart) -> CommandDone:
    """End a plan by hand: the position stays open, unmanaged, unless `close` is asked for."""
    code, smart = _standing_failure(core, command)
    if code is not None or smart is None:
        return _refused(core, code or Code.SMART_NOT_FOUND, command)
    if smart.state is SmartState.PENDING:
        order = core.state.orders.get(smart.order)
        if order is not None:
            cancel_order(core, order, comment=command.comment)
        smart_life.entry_ended(core, smart.id, "cancelled")
        return CommandDone("", login=smart.login, ticket=smart.order, data={"smart": smart.id})
    if command.close:
        position = core.state.positions[smart.position]
        part = smart.remaining < position.volume
        done = closing.close(
            core,
            ClosePosition(
                login=smart.login, position=smart.position, by=command.by, actor=command.actor,
                ticket=command.ticket, comment=command.comment or f"smart order {smart.id}: closed",
                volume=checks.lots_text(smart.remaining) if part else None,
            ),
        )  # fmt: skip
        return replace(done, ticket=smart.id) if done.code else done
    smart_life.end_smart(core, smart, SmartState.CANCELLED, "cancelled", {"by": command.by.value})
    return CommandDone("", login=smart.login, ticket=smart.order, data={"smart": smart.id})
