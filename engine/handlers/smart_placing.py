"""Placing a smart order: a plan for a position that is open, or for one that its entry will open (rules section 9)."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from engine import checks, plans, price_checks, smart_life
from engine.codes import Code
from engine.commands import PlaceSmart
from engine.core import Core
from engine.dealer_queue import executes_by_itself, queue_order
from engine.enums import By, EntryType, RequestKind
from engine.events import CommandDone
from engine.execution import open_deal
from engine.handlers.answers import refused
from engine.handlers.orders import fill_of
from engine.handlers.smart_draft import Draft, bare_smart, entry_order, exit_prices, new_smart, read_draft
from engine.order_types import ENTRY_TYPES, PRICED_ENTRIES
from engine.precedence import Check, Family, Rule, judge
from engine.records import Level, Position, SmartOrder
from engine.refusals import Refusal, refuse
from engine.settings import Symbol
from engine.state import State


def place(core: Core, command: PlaceSmart) -> CommandDone:
    """Check a plan, then take over a position, execute its entry, queue it or arm it."""
    state = core.state
    symbol = state.symbols.get(command.symbol)
    draft = None if symbol is None else read_draft(symbol, command)
    refusal = _placing_refusal(core, command, draft)
    if refusal is not None or draft is None:
        assert refusal is not None
        return refused(refusal, ticket=command.smart, login=command.login)
    smart = new_smart(core, command, draft)
    core.created.add(smart.id)
    core.save_smart(smart, "created", {"entry": command.entry.value})
    if command.entry is EntryType.POSITION:
        position = state.positions[command.position or 0]
        smart_life.start_smart(core, smart, position, position.open_price)
        return _done(smart)
    order = entry_order(core, command, smart, draft)
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


def _done(smart: SmartOrder) -> CommandDone:
    return CommandDone("", ticket=smart.order or smart.position, login=smart.login, data={"smart": smart.id})


def _placing_refusal(core: Core, command: PlaceSmart, drafted: Draft | None) -> Refusal | None:
    """Return the first rule that the plan breaks, None where it may be placed."""
    state, login = core.state, command.login

    def draft() -> Draft:
        assert drafted is not None  # a rule before has found the symbol
        return drafted

    def symbol() -> Symbol:
        return draft().symbol

    rules: dict[Rule, Check] = {
        Rule.ACCOUNT_TRADES: lambda: checks.account_check(state, login, command.by),
        Rule.TIER: lambda: checks.tier_check(state.accounts[login]),
        Rule.SYMBOL_KNOWN: lambda: checks.symbol_check(state, command.symbol),
        Rule.SESSION: lambda: checks.session_check(state, symbol(), command.by),
        Rule.QUOTE: lambda: checks.quote_check(state, symbol(), fresh=command.entry is EntryType.MARKET),
        Rule.STOPS: lambda: _exits_check(state, command, draft()),
        Rule.RESULTING_STOPS: lambda: _resulting_stops_check(state, command, draft()),
        Rule.LEVELS: lambda: _levels_check(command, draft()),
    }
    if command.entry is EntryType.POSITION:
        return judge(Family.TAKE_OVER, rules | _take_over_rules(state, command))
    return judge(Family.PLACE_SMART, rules | _entry_rules(core, command, draft))


def _take_over_rules(state: State, command: PlaceSmart) -> dict[Rule, Check]:
    """Return what only a plan for a position that is open is asked."""

    def position() -> Position:
        return state.positions[command.position or 0]

    return {
        Rule.POSITION_THERE: lambda: _there_check(state, command),
        Rule.NOT_MANAGED: lambda: checks.managed_check(f"position {command.position}", position().smart),
        Rule.VOLUME: lambda: checks.whole_check(command.volume, position().volume),
    }


def _there_check(state: State, command: PlaceSmart) -> Refusal | None:
    """The position is the account's, open, and of the symbol and side that are named."""
    position = state.book(command.login).positions.get(command.position or 0)
    if position is None:
        number = str(command.position)
        return refuse(Code.POSITION_NOT_FOUND, "unknown", login=command.login, position=number)
    if position.symbol == command.symbol and position.side is command.side:
        return None
    return refuse(
        Code.POSITION_NOT_FOUND, "other", position=position.ticket, side=position.side.value,
        symbol=position.symbol,
    )  # fmt: skip


def _entry_rules(core: Core, command: PlaceSmart, draft: Callable[[], Draft]) -> dict[Rule, Check]:
    """Return what only a plan with an entry is asked."""
    state, login, side = core.state, command.login, command.side
    market = command.entry is EntryType.MARKET

    def rates() -> Refusal | None:
        return checks.rates_check(state, login, draft().symbol, side) if market else None

    return {
        Rule.ACCOUNT_OPENS: lambda: checks.opening_check(state.accounts[login], command.by),
        Rule.SYMBOL_TRADES: lambda: checks.disabled_check(draft().symbol),
        Rule.SYMBOL_OPENS: lambda: checks.direction_check(draft().symbol, side),
        Rule.RATES: rates,
        Rule.VOLUME: lambda: checks.volume_check(draft().symbol, command.volume, draft().units),
        Rule.PRICE: lambda: _entry_price_check(state, command, draft()),
        Rule.ROOM: lambda: checks.room_check(state, login, adds=_adds(state, command)),
        Rule.NO_POSITION: lambda: checks.no_position_check(state, login, command.symbol),
        Rule.HEDGE: lambda: checks.hedge_check(state, login, command.symbol, side) if market else None,
        Rule.MARGIN: lambda: _margin_check(core, command, draft()),
    }


def _entry_price_check(state: State, command: PlaceSmart, draft: Draft) -> Refusal | None:
    if command.entry not in PRICED_ENTRIES:
        return None
    view = checks.standing_view(state, command.login, draft.symbol)
    kind = ENTRY_TYPES[command.entry, command.side]
    return price_checks.pending_price_check(draft.symbol, kind, command.price, None, view, command.by)


def _exit_base(state: State, command: PlaceSmart, draft: Draft) -> int:
    """Return the price in points that exits are measured from: the market, or the entry's own."""
    if command.entry in PRICED_ENTRIES:
        assert draft.price is not None
        return draft.price
    view = checks.standing_view(state, command.login, draft.symbol)
    return checks.market_price(view, command.side, opening=False)


def _exits_check(state: State, command: PlaceSmart, draft: Draft) -> Refusal | None:
    """Stop loss, levels and activation on their sides of the market or of the entry price."""
    if command.callback is not None and (draft.callback is None or not 0 < draft.callback < 100):
        return refuse(Code.INVALID_STOPS, "callback", callback=command.callback)
    if command.offset < 0:
        return refuse(Code.INVALID_STOPS, "offset", offset=command.offset)
    prices = exit_prices(command.stop_loss, command.take_profits, command.activation)
    base = _exit_base(state, command, draft)
    return price_checks.stops_check(draft.symbol, command.side, base, command.by, prices)


def _resulting_stops_check(state: State, command: PlaceSmart, draft: Draft) -> Refusal | None:
    """Judge the stop that trailing would make and where break-even would go, from the entry price (§9.9)."""
    base = _exit_base(state, command, draft)
    if command.entry is EntryType.POSITION:
        entry = state.positions[command.position or 0].open_price
    elif command.entry is EntryType.MARKET:
        view = checks.standing_view(state, command.login, draft.symbol)
        entry = Fraction(checks.market_price(view, command.side, opening=True))
    else:
        entry = Fraction(base)
    smart = bare_smart(command, draft)
    smart.entry_price = entry
    smart.levels = [
        Level(n, price or 0, Fraction(0), 0) for n, price in enumerate(draft.level_prices, start=1)
    ]
    plans.start_mark(smart)
    return plans.reached_check(smart, base) or plans.break_even_check(smart, plans.nearest_point(entry))


def _levels_check(command: PlaceSmart, draft: Draft) -> Refusal | None:
    has_stop = draft.stop_loss is not None or draft.callback is not None
    prices = [price for price in draft.level_prices if price is not None]
    rungs = plans.Rungs(prices, draft.percents, draft.volumes, [text for _, text in command.take_profits])
    return plans.levels_check(draft.symbol, command.side, rungs, has_stop=has_stop)


def _adds(state: State, command: PlaceSmart) -> bool:
    """Return whether the entry adds a position or a pending order; one that meets a position is refused later."""
    if command.entry is not EntryType.MARKET:
        return True
    return checks.no_position_check(state, command.login, command.symbol) is None


def _margin_check(core: Core, command: PlaceSmart, draft: Draft) -> Refusal | None:
    probe = bare_smart(command, draft)
    # A ticket, so that the probe does not use up one of the engine's own numbers.
    order = entry_order(core, replace(command, ticket=command.ticket or -1), probe, draft)
    if command.entry is not EntryType.MARKET:
        return checks.reservation_check(core.state, order, command.volume)
    assert order.requested_price is not None
    return checks.margin_check(core.state, order, order.requested_price, command.volume)
