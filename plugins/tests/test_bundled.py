"""The bundled plugins on a real engine: what they hold, when they let go, and what survives a restart."""

import pytest

from engine import commands as c
from engine.engine import Engine
from engine.enums import By, OrderReason, Side
from engine.events import CommandDone, DealMade, HookFailed
from engine.hooks import Context, Plugin, Verdict
from engine.order_types import OrderType
from engine.records import Account
from engine.settings import Group, Symbol
from engine.state import State
from plugins.news_window import NewsWindow
from plugins.spike_guard import SpikeGuard

NOON = 1_704_196_800_000  # 2024-01-02T12:00:00Z
WINDOW = {"from": "2024-01-02T12:00:10Z", "to": "2024-01-02T12:00:20Z", "symbols": "EUR*"}


def engine_with(*plugins: Plugin) -> Engine:
    state = State(now_ms=NOON)
    state.symbols["EURUSD"] = Symbol.from_values({"name": "EURUSD"}, index=0)
    state.groups["std"] = Group.from_values({"name": "std"})
    state.accounts[1001] = Account(login=1001, group="std", currency="USD", balance=1_000_000)
    engine = Engine(state, plugins)
    engine.on_tick("EURUSD", "1.10000", "1.10010", NOON)
    return engine


def buy(engine: Engine, **levels: str) -> None:
    command = c.PlaceOrder(
        login=1001, symbol="EURUSD", type=OrderType.BUY, volume="0.10", ticket=10, **levels
    )
    done = engine.on_command(command, NOON + 1)[-1]
    assert isinstance(done, CommandDone)
    assert done.code == ""


def closes(engine: Engine, bid: str, ask: str, at_s: int) -> list[int]:
    events = engine.on_tick("EURUSD", bid, ask, NOON + at_s * 1000)
    return [event.deal.price for event in events if isinstance(event, DealMade)]


def test_news_window_when_inside_then_the_stop_waits_and_fills_at_the_first_tick_after() -> None:
    engine = engine_with(NewsWindow(windows=[WINDOW]))
    buy(engine, sl="1.09900")

    assert closes(engine, "1.09890", "1.09900", 10) == []
    assert closes(engine, "1.09850", "1.09860", 19) == []
    assert closes(engine, "1.09870", "1.09880", 20) == [109_870]


def test_news_window_when_another_symbol_then_nothing_waits() -> None:
    engine = engine_with(NewsWindow(windows=[{**WINDOW, "symbols": "XAU*,GBPUSD"}]))
    buy(engine, sl="1.09900")

    assert closes(engine, "1.09890", "1.09900", 15) == [109_890]


def test_news_window_when_a_mask_excludes_the_symbol_then_nothing_waits() -> None:
    engine = engine_with(NewsWindow(windows=[{**WINDOW, "symbols": "EUR*,!EURUSD"}]))
    buy(engine, sl="1.09900")

    assert closes(engine, "1.09890", "1.09900", 15) == [109_890]


def test_news_window_when_only_pendings_are_held_then_stops_fire() -> None:
    engine = engine_with(NewsWindow(windows=[WINDOW], hold=["stops", "limits"]))
    buy(engine, sl="1.09900")

    assert closes(engine, "1.09890", "1.09900", 15) == [109_890]


@pytest.mark.parametrize(
    "options",
    [
        {"windows": [{"from": "noon", "to": "later"}]},
        {"windows": [{"from": "2024-01-02T13:00:00Z", "to": "2024-01-02T12:00:00Z"}]},
        {"windows": ["12:00"]},
        {"windows": [{**WINDOW, "symbols": "EUR???"}]},
        {"hold": ["everything"]},
        {"wait": 3},
    ],
)
def test_news_window_when_options_are_wrong_then_a_command_says_so_and_nothing_changes(options: dict) -> None:
    plugin = NewsWindow(windows=[WINDOW])
    engine = engine_with(plugin)

    done = engine.on_command(
        c.ConfigurePlugin(plugin="news_window", values=options, by=By.MANAGER), NOON + 1
    )[-1]

    assert isinstance(done, CommandDone)
    assert done.code == "invalid_setting"
    assert len(plugin.windows) == 1


def test_spike_guard_when_one_tick_spikes_then_nobody_is_closed() -> None:
    engine = engine_with(SpikeGuard())
    buy(engine, sl="1.09900")

    assert closes(engine, "1.09000", "1.09010", 1) == []
    assert closes(engine, "1.10000", "1.10010", 2) == []
    assert closes(engine, "1.09000", "1.09010", 3) == []
    assert closes(engine, "1.09100", "1.09110", 4) == [109_100]


def test_spike_guard_when_a_take_profit_is_reached_then_it_is_not_guarded() -> None:
    engine = engine_with(SpikeGuard(ticks=5))
    buy(engine, tp="1.10100")

    assert closes(engine, "1.10100", "1.10110", 1) == [110_100]


def test_spike_guard_when_restarted_between_two_ticks_then_it_goes_on_counting() -> None:
    first = SpikeGuard(ticks=3)
    engine = engine_with(first)
    buy(engine, sl="1.09900")
    closes(engine, "1.09000", "1.09010", 1)
    closes(engine, "1.09000", "1.09010", 2)

    second = SpikeGuard(ticks=3)
    second.remember(first.memory())
    engine.core.hooks.registrations = Engine(State(), [second]).core.hooks.registrations
    engine.core.hooks.watched.clear()

    assert closes(engine, "1.09000", "1.09010", 3) == [109_000]


class Broken(Plugin):
    """Fails wherever it is asked."""

    name = "broken"

    def stops_apply(self, context: Context) -> Verdict:
        raise RuntimeError(f"{context.reason} {context.side}")


def test_hooks_when_a_plugin_raises_then_the_close_waits_and_the_failure_is_counted() -> None:
    engine = engine_with(Broken())
    buy(engine, sl="1.09900")

    events = engine.on_tick("EURUSD", "1.09890", "1.09900", NOON + 1000)

    failures = [event for event in events if isinstance(event, HookFailed)]
    assert [(f.plugin, f.point) for f in failures] == [("broken", "stops_apply")]
    assert OrderReason.STOP_LOSS.value in failures[0].error
    assert Side.SELL.value in failures[0].error
    assert engine.core.hooks.failures == {"broken.stops_apply": 1}
    assert len(engine.state.positions) == 1


class Blind(Plugin):
    """A plugin that cannot look at ticks."""

    name = "blind"

    def on_tick(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        raise RuntimeError("too bright")


def test_plugin_when_it_raises_on_a_tick_then_the_failure_says_so_and_the_tick_goes_on() -> None:
    engine = engine_with(Blind())

    events = engine.on_tick("EURUSD", "1.20000", "1.20010", NOON + 1)

    failed = [event for event in events if isinstance(event, HookFailed)]
    assert [(event.plugin, event.point) for event in failed] == [("blind", "on_tick")]
    assert engine.state.quotes["EURUSD"].bid == 120_000
