"""What a change of many accounts leaves to do is done between ticks, a piece at a time."""

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.events import MarginCallChanged
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State
from tests.engine.market import Market

ACCOUNTS = 30
SWAP = {"digits": 5, "swap_mode": "points", "swap_long": "-3"}


@pytest.fixture
def engine() -> Engine:
    """Return an engine whose accounts hold a position each and have been looked at."""
    state = State()
    state.symbols["EURUSD"] = Symbol.from_values({"name": "EURUSD", **SWAP}, index=0)
    state.groups["retail"] = Group.from_values({"name": "retail"})
    for login in range(1, ACCOUNTS + 1):
        state.accounts[login] = Account(login=login, group="retail", currency="USD", balance=10**8)
    made = Engine(state)
    made.on_tick("EURUSD", "1.10000", "1.10010", 1)
    for login in range(1, ACCOUNTS + 1):
        buy = c.PlaceOrder(login=login, symbol="EURUSD", type=OrderType.BUY, volume="0.10", ticket=10 * login)
        assert made.on_command(buy, 1)[-1].code == ""
    made.on_tick("EURUSD", "1.10000", "1.10010", 2)
    return made


@pytest.mark.parametrize(
    "change",
    [
        c.ChangeSettings(kind="group", key="retail", values={"spread_diff": 2}),
        c.ChangeSettings(kind="symbol", key="EURUSD", values={**SWAP, "security": "majors"}),
        c.ChangeSettings(kind="symbol", key="EURUSD", values={**SWAP, "stops_level": 3}),
        c.AdvanceTime(time_ms=2 * 86_400_000),
    ],
    ids=["spread", "security", "symbol", "day"],
)
def test_accounts_when_a_change_touched_all_then_pieces_leave_nothing_to_the_next_tick(
    engine: Engine, change: c.Command
) -> None:
    engine.on_command(change, 86_400_000)
    touched = len(engine.core.bounds.due["EURUSD"])

    pieces = [engine.arm_bounds(8) for _ in range(5)]

    assert touched == ACCOUNTS
    assert pieces == [8, 8, 8, 6, 0]
    assert not engine.core.bounds.due["EURUSD"]


def test_account_when_a_change_brought_it_to_its_limit_then_it_is_left_to_the_next_tick(
    engine: Engine,
) -> None:
    change = {"stop_out": "100000000", "margin_call": "0"}
    engine.on_command(c.ChangeSettings(kind="group", key="retail", values=change), 3)

    engine.arm_bounds()

    assert len(engine.core.bounds.due["EURUSD"]) == ACCOUNTS
    engine.on_tick("EURUSD", "1.10000", "1.10010", 4)
    assert not engine.state.positions


def test_margin_call_when_the_price_comes_and_goes_by_points_then_is_told_at_the_same_tick_both_ways() -> (
    None
):
    market = Market(group={"margin_call": "200", "stop_out": "50"})
    market.place(volume="4")  # bought at 1.10010 for a margin of 4400.40: called at an equity of 8800.80
    told: list[tuple[int, bool]] = []

    for points in [*range(110_000, 109_600, -1), *range(109_600, 110_000)]:
        bid, ask = f"1.{points - 100_000:05d}", f"1.{points - 99_990:05d}"
        events = market.tick(bid, ask)
        told += [
            (points, event.account.margin_call) for event in events if isinstance(event, MarginCallChanged)
        ]

    assert told == [(109_710, True), (109_711, False)]
