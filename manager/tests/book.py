"""A small book, written through the stores, that the audit finds clean.

Account 1001 (hedging): a buy half closed by hand with fees, a sell closed by its stop loss, and a plan with one
of two levels filled. Account 1002 (netting): a buy increased once. One batch, one command each.
"""

from fractions import Fraction

from django.db import connection

from accounts.setup import put_accounts, put_groups
from dealing.changes import Changes
from dealing.models import Command, EngineBatch, EngineShard
from dealing.registry import STORES
from engine import enums as e
from engine import records as r
from engine.events import SmartChanged
from engine.order_types import OrderType
from engine.state import State
from markets.setup import put_symbols

LOT = 10**8
AT = 1_700_000_000_000


def write_book() -> None:
    """Write the book's rows."""
    put_symbols([{"name": "EURUSD"}, {"name": "USDJPY", "digits": 3}])
    put_groups([{"name": "retail"}, {"name": "netting", "margin_mode": "netting"}])
    put_accounts([{"login": 1001, "group": "retail"}, {"login": 1002, "group": "netting"}])
    changes = Changes(state=State())
    _hedging(changes)
    _netting(changes)
    with connection.cursor() as cursor:
        for _, store in STORES:
            store.record(cursor, changes)
    _desk()


def _order(
    ticket: int, login: int, type_: OrderType, volume: int, reason: e.OrderReason, position: int
) -> r.Order:
    return r.Order(
        ticket, login, "EURUSD", type_, volume, e.OrderStatus.COMPLETED, reason, AT, AT, position=position
    )


def _deal(
    ticket: int, order: int, position: int, side: e.Side, volume: int, price: int, *, login: int = 1001,
    reason: e.OrderReason = e.OrderReason.CLIENT, **out: object,
) -> r.Deal:  # fmt: skip
    direction = e.Direction.OUT if out else e.Direction.IN
    return r.Deal(
        ticket, order, position, login, "EURUSD", side, direction, volume, price, price, AT, reason, 5, **out
    )


def _entry(login: int, seq: int, kind: e.LedgerKind, amount: int, after: int, deal: int = 0) -> r.LedgerEntry:
    return r.LedgerEntry(login, seq, kind, amount, after, 0, AT, deal=deal)


def _position(
    ticket: int, login: int, side: e.Side, volume: int, price: Fraction, **more: object
) -> r.Position:
    opened = more.pop("volume_opened", LOT)
    return r.Position(
        ticket, login, "EURUSD", side, volume, price, Fraction(100), Fraction(11, 10), AT, AT,
        volume_opened=opened, **more,
    )  # fmt: skip


def _hedging(changes: Changes) -> None:
    buy, sell = OrderType.BUY, OrderType.SELL
    client, one = e.OrderReason.CLIENT, Fraction(1)
    smart_reason, stop_reason = e.OrderReason.SMART_ORDER, e.OrderReason.STOP_LOSS
    changes.orders |= {
        o.ticket: o
        for o in (
            _order(10, 1001, buy, LOT, client, 10),
            _order(20, 1001, sell, LOT // 2, client, 10),
            _order(30, 1001, sell, LOT, client, 30),
            _order(41, 1001, buy, LOT, stop_reason, 30),
            _order(50, 1001, buy, LOT, smart_reason, 50),
            _order(61, 1001, sell, LOT // 4, smart_reason, 50),
        )
    }
    changes.deals += [
        _deal(1, 10, 10, e.Side.BUY, LOT, 110000),
        _deal(
            2, 20, 10, e.Side.SELL, LOT // 2, 110100,
            profit=5000, fees=-350, swap=0, profit_rate=one, open_price=Fraction(110000),
        ),
        _deal(3, 30, 30, e.Side.SELL, LOT, 110000),
        _deal(
            4, 41, 30, e.Side.BUY, LOT, 110050, reason=stop_reason,
            profit=-5000, fees=0, swap=120, profit_rate=one, open_price=Fraction(110000),
            evidence={"level": "1.10050"},
        ),
        _deal(5, 50, 50, e.Side.BUY, LOT, 110000, reason=smart_reason),
        _deal(
            6, 61, 50, e.Side.SELL, LOT // 4, 110200, reason=smart_reason, trigger_key="smart:7:1",
            profit=5000, fees=0, swap=0, profit_rate=one, open_price=Fraction(110000), evidence={"level": 1},
        ),
    ]  # fmt: skip
    changes.positions |= {
        10: _position(
            10, 1001, e.Side.BUY, LOT // 2, Fraction(110000), fees=-350, fees_booked=-350, profit=5000
        ),
        30: _position(
            30, 1001, e.Side.SELL, 0, Fraction(110000), status=e.PositionStatus.CLOSED, profit=-5000,
            swap_booked=120,
        ),
        50: _position(50, 1001, e.Side.BUY, 3 * LOT // 4, Fraction(110000), profit=5000, smart=7),
    }  # fmt: skip
    smart = r.SmartOrder(
        7, 1001, "EURUSD", e.Side.BUY, LOT, e.EntryType.MARKET, e.SmartState.PARTIALLY_CLOSED, AT, AT,
        levels=[
            r.Level(1, 110200, Fraction(25), LOT // 4, e.LevelStatus.FILLED, 6, AT),
            r.Level(2, 110400, Fraction(75), 3 * LOT // 4),
        ],
        order=50, position=50, entry_price=Fraction(110000), remaining=3 * LOT // 4, version=2,
    )  # fmt: skip
    changes.smarts[7] = smart
    changes.smart_timeline.append(SmartChanged(smart, "level_filled", AT, {"level": 1}))
    kinds = e.LedgerKind
    changes.ledger += [
        _entry(1001, 1, kinds.DEPOSIT, 1_000_000, 1_000_000),
        _entry(1001, 2, kinds.PROFIT, 5000, 1_005_000, 2),
        _entry(1001, 3, kinds.COMMISSION, -350, 1_004_650, 2),
        _entry(1001, 4, kinds.PROFIT, -5000, 999_650, 4),
        _entry(1001, 5, kinds.SWAP, 120, 999_770, 4),
        _entry(1001, 6, kinds.PROFIT, 5000, 1_004_770, 6),
    ]
    changes.accounts[1001] = r.Account(1001, "retail", "USD", balance=1_004_770, ledger_seq=6)


def _netting(changes: Changes) -> None:
    average = Fraction(110000 * 2 + 110100, 3)
    changes.orders |= {
        70: _order(70, 1002, OrderType.BUY, 2 * LOT, e.OrderReason.CLIENT, 70),
        80: _order(80, 1002, OrderType.BUY, LOT, e.OrderReason.CLIENT, 70),
    }
    changes.deals += [
        _deal(7, 70, 70, e.Side.BUY, 2 * LOT, 110000, login=1002),
        _deal(8, 80, 70, e.Side.BUY, LOT, 110100, login=1002),
    ]
    changes.positions[70] = _position(70, 1002, e.Side.BUY, 3 * LOT, average, volume_opened=3 * LOT)
    changes.ledger.append(_entry(1002, 1, e.LedgerKind.DEPOSIT, 1_000_000, 1_000_000))
    changes.accounts[1002] = r.Account(1002, "netting", "USD", balance=1_000_000, ledger_seq=1)


def _desk() -> None:
    EngineShard.objects.create(shard=0, epoch=2, seq=3)
    for seq, epoch in ((1, 1), (2, 1), (3, 2)):
        EngineBatch.objects.create(shard=0, seq=seq, epoch=epoch)
    done = {"status": "done", "done_at": "2023-11-14T22:13:20Z", "shard": 0}
    for login in (1001, 1002):
        Command.objects.create(
            name="BalanceOperation", login=login, payload={"kind": "deposit", "amount": "10000"}, **done
        )
    Command.objects.create(name="PlaceOrder", login=1001, ticket=10, payload={}, **done)
    Command.objects.create(name="PlaceSmart", login=1001, ticket=50, smart=7, payload={}, **done)
