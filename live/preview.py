"""What an order or a plan would mean in money, computed on a copy of the account and asked of nobody.

Every figure comes from the engine's own formulas at the quotes of the moment, and whether it would be allowed
is found by trying it on the copy. Promises: nothing is written; a preview of what the desk would refuse says
with which code. It cannot know what plugins and dealers will say.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dealing.columns import decimal_text, volume_text
from engine.checks import margin_raised
from engine.codes import CODES, Code
from engine.commands import PlaceOrder, PlaceSmart
from engine.enums import EntryType, OrderReason, OrderStatus, Side
from engine.events import CommandDone, DealMade
from engine.order_types import MARKET_OF
from engine.plans import level_volumes, tighter
from engine.profit import commission_of, position_profit
from engine.rates import close_price, group_quote, open_price
from engine.records import Order, Position
from engine.rounding import divide_half_up, on_grid, parse_decimal, round_half_up, to_text
from engine.settings import Symbol
from engine.trailing import stop_points
from engine.valuation import account_state
from live.account_view import AccountView

_TRIAL = 1  # ticket and number of what is tried on the copy; nothing of it is kept


@dataclass(frozen=True)
class Trade:
    """What would be opened: volume in units, entry in points."""

    symbol: Symbol
    side: Side
    volume: int
    entry: Fraction
    leverage: int | None = None


class Preview:
    """Figures of one account's copy."""

    def __init__(self, view: AccountView) -> None:
        self.view = view
        self.state = view.state
        self.digits = view.money_digits
        self.is_done = False  # whether what was tried made a deal

    def money(self, minor: int | None) -> str | None:
        """Return an amount in account currency as decimal text."""
        return None if minor is None else decimal_text(minor, self.digits)

    def market_entry(self, symbol: Symbol, side: Side) -> int | None:
        """Return the price in points at which this side would open now."""
        quote = group_quote(self.state, self.state.group_of(self.view.login), symbol)
        return None if quote is None else open_price(quote, side)

    def profit(self, trade: Trade, close: int, volume: int) -> int | None:
        """Return the profit of closing `volume` units of the trade at a price in points."""
        position = Position(
            ticket=_TRIAL,
            login=self.view.login,
            symbol=trade.symbol.name,
            side=trade.side,
            volume=trade.volume,
            open_price=trade.entry,
            leverage=Fraction(1),
            margin_rate=Fraction(1),
            opened_ms=self.state.now_ms,
            modified_ms=self.state.now_ms,
            digits=trade.symbol.digits,
        )
        return position_profit(self.state, position, close, volume)

    def margin_of(self, trade: Trade) -> int | None:
        """Return by how much the account's margin would rise; negative where the trade frees some."""
        order = Order(
            ticket=_TRIAL,
            login=self.view.login,
            symbol=trade.symbol.name,
            type=MARKET_OF[trade.side],
            volume=trade.volume,
            status=OrderStatus.PENDING,
            reason=OrderReason.CLIENT,
            created_ms=self.state.now_ms,
            modified_ms=self.state.now_ms,
            leverage=trade.leverage,
            digits=trade.symbol.digits,
        )
        return margin_raised(self.state, order, round_half_up(trade.entry))

    def opened(self, trade: Trade) -> int:
        """Return the volume that the trade opens: on a netting account what the opposite position leaves of it (§3.7)."""
        login = self.view.login
        if not self.state.is_netting(login):
            return trade.volume
        opposite = sum(
            position.volume
            for position in self.state.book(login).positions.values()
            if position.symbol == trade.symbol.name and position.side is not trade.side
        )
        return max(0, trade.volume - opposite)

    def commission(self, trade: Trade) -> int:
        """Return the commission that the trade books in account minor units: of what it opens, not of what it closes."""
        opened = self.opened(trade)
        if not opened:
            return 0
        terms = self.state.terms_for(self.state.group_of(self.view.login), trade.symbol)
        return commission_of(
            self.state,
            terms.commission,
            login=self.view.login,
            symbol=trade.symbol,
            side=trade.side,
            volume=opened,
            open_points=trade.entry,
        )

    def free_after(self, trade: Trade, margin: int) -> int | None:
        """Return the free margin that the trade would leave, by the formulas, in the group's mode of counting profit.

        margin: by how much the trade raises it. What is opened carries its commission and is worth less by the spread. For
        what the engine refuses; what it does is read from the account after it (`preview_margin`).
        """
        quote = group_quote(self.state, self.state.group_of(self.view.login), trade.symbol)
        spread = (
            None if quote is None else self.profit(trade, close_price(quote, trade.side), self.opened(trade))
        )
        if spread is None:
            return None
        now = account_state(self.state, self.view.login)
        after = replace(
            now,
            margin=now.margin + margin,
            carried=now.carried - self.commission(trade),
            floating=now.floating + spread,
        )
        return after.free_margin

    def tried(self, command: PlaceOrder | PlaceSmart) -> list[dict[str, Any]]:
        """Return why the engine would refuse this; an empty list where it would not. `is_done` tells whether it was executed."""
        events = self.view.engine.on_command(command, self.state.now_ms)
        self.is_done = any(isinstance(event, DealMade) for event in events)
        done = next(event for event in events if isinstance(event, CommandDone))
        if not done.code:
            return []
        error: dict[str, Any] = {
            "code": done.code,
            "message": done.message or CODES[Code(done.code)].meaning,
        }
        if done.level:
            error["level"] = done.level
        return [error]


def preview_margin(view: AccountView, body: dict[str, Any]) -> dict[str, Any]:
    """Return margin, free_margin_after, value_per_point and commission of a market order now.

    body: symbol, side, volume, leverage; figures that cannot be told are None and `errors` says why.
    """
    preview = Preview(view)
    side = Side(body["side"])
    symbol = view.state.symbols.get(body["symbol"])
    volume = on_grid(body["volume"], 8)
    entry = preview.market_entry(symbol, side) if symbol is not None else None
    figures: dict[str, Any] = dict.fromkeys(
        ("entry_price", "margin", "free_margin_after", "value_per_point", "commission")
    )
    if symbol is not None and entry is not None and volume is not None and volume > 0:
        leverage = body.get("leverage")
        trade = Trade(symbol, side, volume, Fraction(entry), leverage if leverage and leverage > 0 else None)
        figures["entry_price"] = to_text(entry, symbol.digits)
        figures["commission"] = preview.money(preview.commission(trade))
        figures["value_per_point"] = _value_per_point(preview, trade)
        margin = preview.margin_of(trade)
        if margin is not None:
            figures["margin"] = preview.money(margin)
            figures["free_margin_after"] = preview.money(preview.free_after(trade, margin))
    command = PlaceOrder(
        login=view.login,
        symbol=body["symbol"],
        type=MARKET_OF[side],
        volume=body["volume"],
        leverage=body.get("leverage"),
        ticket=_TRIAL,
    )
    errors = preview.tried(command)
    if preview.is_done and figures["free_margin_after"] is not None:
        # The copy has done it: what was booked counts, whatever closed or was reversed by it.
        figures["free_margin_after"] = preview.money(account_state(view.state, view.login).free_margin)
    return {**figures, "errors": errors}


def _value_per_point(preview: Preview, trade: Trade) -> str | None:
    """Return the money of one point with four decimals more than money has: points are small."""
    forward = 1 if trade.side is Side.BUY else -1
    myriad = preview.profit(trade, round_half_up(trade.entry) + 10_000 * forward, trade.volume)
    if myriad is None:
        return None
    return to_text(myriad, preview.digits + 4)


def preview_smart(view: AccountView, values: dict[str, Any]) -> dict[str, Any]:
    """Return what a plan would bring: each level's volume and money, reward, risk, margin, and errors.

    values: as `services.place_smart` takes them. `risk` is what the plan loses if the stop takes everything,
    `worst_case` the same as a profit; both None without a stop. Figures that cannot be told are None.
    """
    preview = Preview(view)
    side = Side(values["side"])
    symbol = view.state.symbols.get(values["symbol"])
    volume = on_grid(values["volume"], 8)
    figures: dict[str, Any] = {"levels": []} | dict.fromkeys(
        ("entry_price", "remaining_volume", "reward", "risk", "worst_case", "stop", "risk_reward", "margin")
    )
    entry = _entry_points(preview, symbol, side, values) if symbol is not None else None
    if symbol is not None and volume is not None and volume > 0:
        trade = None if entry is None else Trade(symbol, side, volume, entry)
        figures |= _levels_shown(preview, symbol, volume, trade, values["take_profits"])
        if trade is not None:
            figures |= _trade_shown(preview, trade, values, figures["reward"])
    command = PlaceSmart(
        login=view.login,
        smart=_TRIAL,
        ticket=_TRIAL,
        symbol=values["symbol"],
        side=side,
        volume=values["volume"],
        entry=EntryType(values["entry"]),
        price=values["price"],
        position=values["position"],
        take_profits=values["take_profits"],
        stop_loss=values["stop_loss"],
        callback=values["callback"],
        activation=values["activation"],
        break_even=values["break_even"],
        offset=values["offset"],
    )
    return {**figures, "errors": preview.tried(command)}


def _entry_points(preview: Preview, symbol: Symbol, side: Side, values: dict[str, Any]) -> Fraction | None:
    """Return the price in points from which the plan would run, None where there is none yet."""
    entry = EntryType(values["entry"])
    if entry is EntryType.MARKET:
        points = preview.market_entry(symbol, side)
    elif entry is EntryType.POSITION:
        position = preview.state.positions.get(values["position"] or 0)
        return position.open_price if position is not None else None
    else:
        points = on_grid(values["price"], symbol.digits)
    return None if points is None else Fraction(points)


def _levels_shown(
    preview: Preview, symbol: Symbol, volume: int, trade: Trade | None, rungs: list[list[str]]
) -> dict[str, Any]:
    """Return the levels with volume and money, their sum, and the volume that no level closes."""
    percents = [parse_decimal(percent) for _, percent in rungs]
    if any(percent is None or percent < 0 for percent in percents):
        return {}
    volumes = level_volumes(volume, symbol.volume_step, [p for p in percents if p is not None])
    levels: list[dict[str, Any]] = []
    reward: int | None = 0
    for number, ((price, percent), units) in enumerate(zip(rungs, volumes, strict=True), start=1):
        points = on_grid(price, symbol.digits)
        profit = None if points is None or trade is None else preview.profit(trade, points, units)
        reward = None if reward is None or profit is None else reward + profit
        levels.append(
            {
                "number": number,
                "price": price,
                "percent": percent,
                "volume": volume_text(units),
                "profit": preview.money(profit),
            }
        )
    left = volume - sum(volumes)
    return {
        "levels": levels,
        "remaining_volume": volume_text(left) if left >= 0 else None,
        "reward": preview.money(reward) if levels else None,
    }


def _trade_shown(
    preview: Preview, trade: Trade, values: dict[str, Any], reward: str | None
) -> dict[str, Any]:
    """Return entry, stop, the money at stake, and the margin."""
    symbol = trade.symbol
    figures: dict[str, Any] = {"entry_price": to_text(round_half_up(trade.entry), symbol.digits)}
    if EntryType(values["entry"]) is EntryType.POSITION:
        figures["margin"] = preview.money(0)
    else:
        figures["margin"] = preview.money(preview.margin_of(trade))
    stop = _first_stop(trade, values)
    if stop is None:
        return figures
    worst = preview.profit(trade, stop, trade.volume)
    figures["stop"] = to_text(stop, symbol.digits)
    figures["worst_case"] = preview.money(worst)
    if worst is not None:
        risk = max(0, -worst)
        figures["risk"] = preview.money(risk)
        gain = None if reward is None else Fraction(Decimal(reward)) * 10**preview.digits
        if gain is not None and risk:
            figures["risk_reward"] = to_text(divide_half_up(int(gain) * 100, risk), 2)
    return figures


def _first_stop(trade: Trade, values: dict[str, Any]) -> int | None:
    """Return the tightest stop in points at the plan's start: fixed, or trailing from the entry price."""
    fixed = on_grid(values["stop_loss"], trade.symbol.digits) or None
    callback = parse_decimal(values["callback"])
    trailing = None
    if callback is not None and 0 < callback < 100 and values["activation"] is None:
        trailing = stop_points(round_half_up(trade.entry), callback, trade.side)
    return tighter(trade.side, fixed, trailing)
