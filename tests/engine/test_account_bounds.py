"""What a change of many accounts leaves to do is done between ticks, a piece at a time."""

import pytest

from engine import commands as c
from engine.core import Core
from engine.engine import Engine
from engine.enums import HaltLevel, HaltScope
from engine.events import MarginCallChanged
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.stages import stopout
from engine.stages.triggered import AcceptedTick
from engine.state import State
from tests.engine.market import CLIENT, OTHER, Market

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


LONDON = {"sessions": {"mon": [["08:00", "16:00"]], "tue": [["08:00", "16:00"]]}}
MONDAY_MS = 4 * 86_400_000  # 5 January 1970
HOUR_MS = 3_600_000


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the logins that the stop-out stage looks at, as they come."""
    seen: list[int] = []
    look = stopout.look

    def counted(core: Core, tick: AcceptedTick, login: int) -> None:
        seen.append(login)
        look(core, tick, login)

    monkeypatch.setattr(stopout, "look", counted)
    return seen


def _ruined(market: Market) -> None:
    """Let the client buy what their money carries, and turn the kill switch before the price falls."""
    assert market.place(volume="7").code == ""  # 7,700.70 of 10,000.00
    market.do(c.SetHalt(scope=HaltScope.ACCOUNT, key=str(CLIENT), level=HaltLevel.HALT))
    market.tick("1.08000", "1.08010")


def test_account_when_it_is_halted_below_its_stop_out_then_no_tick_looks_at_it(looks: list[int]) -> None:
    market = Market()
    _ruined(market)
    looks.clear()

    for points in range(50):
        market.tick(f"1.0{8000 + points % 7}", f"1.0{8010 + points % 7}")

    assert looks == []
    assert market.state.positions


@pytest.mark.parametrize("scope", [HaltScope.ACCOUNT, HaltScope.GROUP, HaltScope.SYMBOL, HaltScope.SERVER])
def test_account_when_its_kill_switch_is_turned_back_then_the_next_tick_stops_it_out(
    scope: HaltScope,
) -> None:
    market = Market()
    key = {HaltScope.ACCOUNT: str(CLIENT), HaltScope.GROUP: "retail", HaltScope.SYMBOL: "EURUSD"}.get(
        scope, ""
    )
    market.place(volume="7")
    market.do(c.SetHalt(scope=scope, key=key, level=HaltLevel.HALT))
    market.tick("1.08000", "1.08010")
    market.tick("1.08000", "1.08010")
    market.do(c.SetHalt(scope=scope, key=key, level=HaltLevel.NORMAL))
    assert market.state.positions

    market.tick("1.08000", "1.08010")

    assert not market.state.positions


def test_account_when_another_ones_kill_switch_is_turned_then_it_stays_parked(looks: list[int]) -> None:
    market = Market()
    _ruined(market)
    looks.clear()

    market.do(c.SetHalt(scope=HaltScope.ACCOUNT, key=str(OTHER), level=HaltLevel.HALT))
    market.do(c.SetHalt(scope=HaltScope.GROUP, key="net", level=HaltLevel.HALT))
    market.tick("1.08000", "1.08010")

    assert looks == []


def test_account_when_it_is_parked_and_its_margin_call_ends_then_the_same_tick_says_so() -> None:
    market = Market()
    _ruined(market)
    assert market.state.accounts[CLIENT].margin_call

    told = [points for points in range(8000, 10_000, 10)
            if any(isinstance(e, MarginCallChanged) for e in market.tick(f"1.{points:05d}", f"1.{points + 10:05d}"))]  # fmt: skip

    # Bought at 1.10010: the equity of 10,000 - 7 x (10,010 - points) is above 7,700.70 from 9,682 on.
    assert told == [9690]


def test_account_when_its_session_is_over_then_its_opening_stops_it_out_and_no_tick_before_looks(
    looks: list[int],
) -> None:
    market = Market(symbol=LONDON)
    market.time_ms = MONDAY_MS + 15 * HOUR_MS
    market.tick("1.10000", "1.10010")
    assert market.place(volume="7").code == ""
    market.time_ms = MONDAY_MS + 17 * HOUR_MS
    market.tick("1.08000", "1.08010")
    looks.clear()

    for _ in range(20):
        market.tick("1.08000", "1.08010")
    assert looks == []
    market.time_ms = MONDAY_MS + 32 * HOUR_MS - 1000  # the next tick comes as Tuesday's session opens
    market.tick("1.08000", "1.08010")

    assert looks == [CLIENT]
    assert not market.state.positions


def test_account_when_its_symbol_has_no_quote_of_now_then_its_own_tick_stops_it_out() -> None:
    market = Market(symbol={"quotes_timeout": 60})
    values = {"name": "USDCHF", "digits": 5}
    market.do(c.ChangeSettings(kind="symbol", key="USDCHF", values=values))
    engine = market.engine
    engine.on_tick("USDCHF", "0.90000", "0.90010", market.time_ms)
    assert market.place(volume="3").code == ""
    assert market.place(volume="3", symbol="USDCHF").code == ""
    market.do(c.SetHalt(scope=HaltScope.SYMBOL, key="USDCHF", level=HaltLevel.HALT))
    market.time_ms += 100_000  # EURUSD is timed out from now on
    engine.on_tick("USDCHF", "0.88500", "0.88510", market.time_ms)
    assert not engine.core.bounds.parked  # it is still above its stop-out
    engine.on_tick("USDCHF", "0.87500", "0.87510", market.time_ms)
    assert engine.core.bounds.parked == {CLIENT}
    assert len(market.state.positions) == 2

    market.tick("1.10000", "1.10010")

    assert {p.symbol for p in market.state.positions.values()} == {"USDCHF"}
