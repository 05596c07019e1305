"""Changing a smart order that is there: stop, callback, break-even and the levels that are still open."""

from dataclasses import dataclass, replace
from fractions import Fraction

from engine import checks, plans, price_checks, smart_life
from engine.codes import Code
from engine.commands import CancelSmart, ModifySmart
from engine.core import Core
from engine.enums import LevelStatus, SmartState
from engine.events import CommandDone
from engine.handlers.answers import refused
from engine.handlers.smart_draft import exit_prices
from engine.lifecycle import OPEN_LEVEL
from engine.precedence import Check, Family, Rule, judge
from engine.records import Level, SmartOrder, lots_text
from engine.refusals import Refusal, refuse
from engine.rounding import fraction_text, parse_decimal
from engine.settings import Symbol
from engine.state import State


@dataclass(slots=True)
class Change:
    """A change of one smart order, as far as it has been judged."""

    command: ModifySmart
    smart: SmartOrder
    symbol: Symbol
    base: int | None  # price in points that exits are measured from; None: there is no quote
    levels: list[Level] | None = None  # those that result where levels are asked for
    after: SmartOrder | None = None  # the smart order with the change made, where it makes another of it


def standing_rules(state: State, command: ModifySmart | CancelSmart) -> dict[Rule, Check]:
    """Return what every request about a smart order that is there is asked."""

    def there() -> Refusal | None:
        if command.smart in state.book(command.login).smarts:
            return None
        return refuse(Code.SMART_NOT_FOUND, "unknown", login=command.login, smart=command.smart)

    def stands() -> Refusal | None:
        version = state.smarts[command.smart].version
        if command.version is None or command.version == version:
            return None
        return refuse(Code.CONFLICT, "version", version=command.version, smart=command.smart, stands=version)

    return {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, command.login, command.by),
        Rule.SMART_THERE: there,
        Rule.SEEN_STANDS: stands,
    }


def modify(core: Core, command: ModifySmart) -> CommandDone:
    """Change stop, callback, break-even or open levels; an explicit change may loosen the fixed stop only."""
    smart = core.state.smarts.get(command.smart)
    change = None if smart is None or smart.login != command.login else _change(core.state, command, smart)
    refusal = _modify_refusal(core.state, command, change)
    if refusal is not None or change is None:
        assert refusal is not None
        return refused(refusal, ticket=command.smart, login=command.login)
    if change.after is not None:
        _apply_modification(core, command, change.smart, change.after)
    return CommandDone("", login=command.login, ticket=change.smart.order, data={"smart": command.smart})


def _change(state: State, command: ModifySmart, smart: SmartOrder) -> Change:
    symbol = state.symbols[smart.symbol]
    return Change(command, smart, symbol, _base_price(state, smart, symbol))


def _base_price(state: State, smart: SmartOrder, symbol: Symbol) -> int | None:
    """Return the price that exits are measured from: of the entry that waits, else the market's; None: no quote."""
    if smart.state is SmartState.PENDING:
        order = state.orders.get(smart.order)
        if order is not None and order.price is not None:
            return order.price
    view = checks.view_of(state, smart.login, symbol)
    return None if view is None else checks.market_price(view, smart.side, opening=False)


def _modify_refusal(state: State, command: ModifySmart, standing: Change | None) -> Refusal | None:
    def change() -> Change:
        assert standing is not None  # a rule before has found the smart order
        return standing

    def quote() -> Refusal | None:
        if change().base is not None:
            return None
        return checks.quote_check(state, change().symbol, fresh=False)

    return judge(
        Family.MODIFY_SMART,
        standing_rules(state, command)
        | {
            Rule.QUOTE: quote,
            Rule.STOPS: lambda: _exits_check(change()),
            Rule.LEVELS: lambda: _levels_check(change()),
            Rule.RESULTING_STOPS: lambda: _resulting_stops_check(change()),
        },
    )


def _exits_check(change: Change) -> Refusal | None:
    command = change.command
    callback = parse_decimal(command.callback) if command.callback is not None else None
    if command.callback is not None and (callback is None or not 0 <= callback < 100):
        return refuse(Code.INVALID_STOPS, "callback", callback=command.callback)
    if command.offset is not None and command.offset < 0:
        return refuse(Code.INVALID_STOPS, "offset", offset=command.offset)
    assert change.base is not None
    prices = exit_prices(command.stop_loss, command.levels or [])
    return price_checks.stops_check(change.symbol, change.smart.side, change.base, command.by, prices)


def _levels_check(change: Change) -> Refusal | None:
    """Judge the levels that result, those that are done among them, and whether all of the volume has an exit."""
    if change.command.levels is not None:
        refusal = _take_levels(change, change.command.levels)
        if refusal is not None:
            return refusal
    smart = change.smart
    if _has_stop(change):
        return None
    standing = smart.levels if change.levels is None else change.levels
    # By volume, not by percent: levels that a close by hand has cut away leave nothing uncovered.
    covered = sum(level.volume for level in standing if level.status in OPEN_LEVEL)
    if covered >= smart.remaining:
        return None
    if not covered:
        return refuse(Code.INVALID_LEVELS, "no_exit")
    closed, remaining = lots_text(covered), lots_text(smart.remaining)
    return refuse(Code.INVALID_LEVELS, "uncovered", closed=closed, remaining=remaining)


def _take_levels(change: Change, asked_for: list[list[str]]) -> Refusal | None:
    """Note the levels after the change, those that are done kept, or return what is wrong with them."""
    smart, symbol = change.smart, change.symbol
    kept = [level for level in smart.levels if level.status not in OPEN_LEVEL]
    filled = [level for level in kept if level.status is LevelStatus.FILLED]
    prices, percents = [level.price for level in filled], [level.percent for level in filled]
    texts = [fraction_text(level.percent, 2) for level in filled]
    for price, percent in asked_for:
        points = checks.read_price(symbol, price)
        assert points is not None
        prices.append(points)
        percents.append(parse_decimal(percent) or Fraction(0))
        texts.append(percent)
    volumes = plans.level_volumes(smart.volume, symbol.volume_step, percents)
    rungs = plans.Rungs(prices, percents, volumes, texts)
    refusal = plans.levels_check(symbol, smart.side, rungs, has_stop=_has_stop(change))
    if refusal is not None:
        return refusal
    first = max((level.number for level in kept), default=0) + 1
    change.levels = kept + [
        Level(first + i - len(filled), prices[i], percents[i], volumes[i])
        for i in range(len(filled), len(prices))
    ]
    return None


def _has_stop(change: Change) -> bool:
    command, smart = change.command, change.smart
    stop = checks.read_level(change.symbol, command.stop_loss, smart.stop_loss) is not None
    trails = smart.callback is not None if command.callback is None else parse_decimal(command.callback) != 0
    return stop or trails or smart.break_even_stop is not None or smart.trail_floor is not None


def _resulting_stops_check(change: Change) -> Refusal | None:
    """The stop that results is not reached already, and break-even stays short of level 1 (§9.9)."""
    command, smart = change.command, change.smart
    after = _changed_smart(command, smart, change.symbol, change.levels)
    if _terms(after) == _terms(smart):
        return None
    change.after = after
    assert change.base is not None
    entry = change.base if after.entry_price is None else plans.nearest_point(after.entry_price)
    moved = command.break_even is not None or command.offset is not None or command.levels is not None
    beyond = plans.break_even_check(after, entry) if moved else None
    return beyond or plans.reached_check(after, change.base)


def _changed_smart(
    command: ModifySmart, smart: SmartOrder, symbol: Symbol, levels: list[Level] | None
) -> SmartOrder:
    """Return a copy of the smart order with the change made, its mark written down and its stops moved."""
    standing = smart.levels if levels is None else levels
    after = replace(
        smart, group=None, mark=plans.current_mark(smart), levels=[replace(level) for level in standing],
        stop_loss=checks.read_level(symbol, command.stop_loss, smart.stop_loss),
        offset=smart.offset if command.offset is None else command.offset,
        break_even=smart.break_even if command.break_even is None else command.break_even,
    )  # fmt: skip
    if command.callback is not None:
        callback = parse_decimal(command.callback) or None
        if callback != smart.callback:
            plans.change_callback(after, callback)
    if levels is not None:
        plans.cut_levels(after)
    plans.move_to_break_even(after)
    return after


def _terms(smart: SmartOrder) -> tuple[object, ...]:
    """Return what a modification may change; equal terms are no change (§9.12)."""
    levels = [(level.price, level.percent, level.volume, level.status) for level in smart.levels]
    return (
        smart.stop_loss, smart.callback, smart.offset, smart.break_even, smart.break_even_stop,
        smart.break_even_triggered, levels,
    )  # fmt: skip


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
