"""What the engine keeps of every account at a day end (§10.5)."""

from engine import commands as c
from engine.enums import By
from engine.events import AccountDayEnded, DayEnded
from tests.engine.market import CLIENT, NETTING, OTHER, Market

NIGHT_MS = 86_400_000


def test_day_end_when_it_comes_then_each_account_is_kept_with_that_days_swaps() -> None:
    market = Market(symbol={"swap_mode": "money_deposit", "swap_long": "-15"})
    assert market.place().code == ""
    market.tick("1.09900", "1.09910")

    events = market.engine.on_time(NIGHT_MS)

    kept = {e.login: e for e in events if isinstance(e, AccountDayEnded)}
    assert [e.time_ms for e in events if isinstance(e, DayEnded)] == [NIGHT_MS]
    assert list(kept) == [CLIENT, OTHER, NETTING]
    assert {e.time_ms for e in kept.values()} == {NIGHT_MS}
    figures = kept[CLIENT].figures
    # 0.1 lot bought at 1.10010 stands at 1.09900: -11.00; Thursday's swap: 0.1 x -15 = -1.50.
    assert (figures.balance, figures.credit, figures.floating, figures.carried) == (1_000_000, 0, -1100, -150)
    assert (figures.equity, figures.margin) == (998_750, 11_001)
    assert (kept[OTHER].figures.equity, kept[OTHER].figures.margin) == (1_000_000, 0)


def test_day_ends_when_some_were_missed_then_each_keeps_its_own_figures() -> None:
    market = Market(symbol={"swap_mode": "money_deposit", "swap_long": "-15"})
    assert market.place().code == ""
    done = c.ClosePosition(login=CLIENT, position=10, ticket=20, by=By.CLIENT)

    events = market.engine.on_command(done, 2 * NIGHT_MS + 1)

    kept = [
        (e.time_ms, e.figures.carried) for e in events if isinstance(e, AccountDayEnded) and e.login == CLIENT
    ]
    assert kept == [(NIGHT_MS, -150), (2 * NIGHT_MS, -300)]
