"""The scenario format: what it fills in, and that it says where a file is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.commands import NO_LEVEL
from scenario.format import START_MS, ScenarioError, load, parse
from scenario.runner import Clock

TICK = {"tick": {"symbol": "EURUSD", "bid": "1.1", "ask": "1.2"}}
PLACE = {"login": 1, "symbol": "EURUSD", "type": "buy", "volume": "1"}


def scenario(steps: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a small valid scenario with these steps."""
    return {
        "name": "n",
        "why": "w",
        "symbols": [{"name": "EURUSD"}],
        "groups": [{"name": "std"}],
        "accounts": [{"login": 1, "group": "std"}],
        "steps": steps or [],
        **changes,
    }


def test_parse_when_keys_are_left_out_then_defaults_follow_from_the_others() -> None:
    symbols = [{"name": "EURUSD"}, {"name": "XAUUSD", "calc_mode": "cfd_leverage", "contract_size": "100"}]

    parsed = parse(scenario(symbols=symbols), "f")

    forex, cfd = parsed.symbols
    assert (forex["base_currency"], forex["profit_currency"], forex["margin_currency"]) == (
        "EUR",
        "USD",
        "EUR",
    )
    assert (forex["conversion"], forex["margin_hedged"], forex["swap_multipliers"]) == (
        "deal",
        "100000",
        [1, 1, 3, 1, 1, 0, 0],
    )
    assert (cfd["margin_currency"], cfd["conversion"], cfd["margin_hedged"]) == ("USD", "market", "100")
    assert parsed.accounts[0]["balance"] == "10000"
    assert parsed.groups[0]["timeout"] == 180


def test_parse_when_steps_are_given_then_values_are_complete() -> None:
    trailing = {"callback": "2"}
    smart = {"login": 1, "symbol": "EURUSD", "side": "buy", "volume": "1", "entry": {"type": "market"}}

    parsed = parse(scenario([{"smart": {**smart, "trailing": trailing, "break_even": True, "as": "s"}}]), "f")

    value = parsed.steps[0].value
    assert value["trailing"] == {"callback": "2", "activation": None}
    assert value["break_even"] == {"offset": 0}
    assert value["take_profits"] == []


def test_parse_when_keys_are_null_then_they_count_as_left_out() -> None:
    smart = {
        "login": 1,
        "symbol": "EURUSD",
        "side": "buy",
        "volume": "1",
        "entry": {"type": "market"},
        "as": "s",
    }
    change = {"smart": "s", "version": 0, "callback": None, "stop_loss": "1", "break_even": None}
    steps = [
        {"place": {**PLACE, "expires": None}, "error": None, "at": "2024-01-02T00:00:01.250999+00:00"},
        {"smart": {**smart, "break_even": None}},
        {"smart_modify": change},
    ]

    placed, made, changed = parse(scenario(steps), "f").steps

    assert (placed.value["expires"], placed.error, placed.at_ms) == ("gtc", None, START_MS + 1250)
    assert made.value["break_even"] is None
    assert changed.value == {"smart": "s", "version": 0, "stop_loss": "1"}


def test_parse_when_a_level_is_null_then_it_is_deleted_and_left_out_is_nothing() -> None:
    smart = {
        "login": 1,
        "symbol": "EURUSD",
        "side": "buy",
        "volume": "1",
        "entry": {"type": "market"},
        "as": "s",
    }
    steps = [
        {"place": {**PLACE, "sl": None, "as": "o"}},
        {"modify": {"login": 1, "position": "o", "tp": None}},
        {"smart": {**smart, "stop_loss": None}},
        {"smart_modify": {"smart": "s", "stop_loss": None}},
        {"smart_modify": {"smart": "s"}},
    ]

    placed, changed, made, without, untouched = (step.value for step in parse(scenario(steps), "f").steps)

    assert (placed["sl"], placed["tp"]) == (NO_LEVEL, None)
    assert (changed["sl"], changed["tp"]) == (None, NO_LEVEL)
    assert (made["stop_loss"], without["stop_loss"]) == (NO_LEVEL, NO_LEVEL)
    assert "stop_loss" not in untouched


def test_parse_when_settings_are_null_then_defaults_stand_and_a_set_takes_null_as_a_value() -> None:
    symbols = [{"name": "EURUSD", "digits": None, "swap_mode": None, "sessions": None, "base_currency": None}]
    groups = [{"name": "std", "requote_ttl": None, "price_bound_points": None, "leverage": None}]
    steps = [{"set": {"group": "std", "values": {"price_bound_points": None}}}]

    parsed = parse(scenario(steps, symbols=symbols, groups=groups, server=None), "f")

    symbol, group = parsed.symbols[0], parsed.groups[0]
    assert (symbol["digits"], symbol["swap_mode"], symbol["base_currency"]) == (5, "none", "EUR")
    assert (group["requote_ttl"], group["price_bound_points"], group["leverage"]) == ("5", None, 100)
    assert (group["deviation"], group["leverage_max"]) == (0, None)
    assert parsed.server == {"day_end": "00:00", "time_zone": "UTC"}
    assert parsed.steps[0].value["values"] == {"price_bound_points": None}


def test_parse_when_the_second_edition_is_used_then_taken() -> None:
    week = {"mon": [["09:30", "16:00"]], "time_zone": "America/New_York"}
    names = ("points", "money", "money_deposit", "money_profit", "money_base", "money_margin")
    modes = (*names, "percent", "percent_open", "none")
    symbols = [{"name": f"S{i}EURUSD", "swap_mode": mode, "sessions": week} for i, mode in enumerate(modes)]
    expected = {"by": "system", "market_bid": "1", "market_ask": "1", "group_bid": "1", "group_ask": None}
    steps = [
        {"place": {**PLACE, "symbol": "S1EURUSD", "expected_price": "1.1", "deviation": 0, "as": "o"}},
        {"accept": {"login": 1, "order": "o", "as": "p"}, "error": "timeout"},
        {"close": {"login": 1, "position": "p", "by": "manager", "price": "1.2", "expected_price": "1.1"}},
        {"set": {"server": True, "values": {"day_end": "17:00"}}, "error": "invalid_setting"},
        {"dealers": ["anna", {"name": "bob", "groups": ["std", "eu-*", "!eu-vip"]}, {"name": "eve"}]},
        {
            "expect": {
                "orders": {"o": {"requote_price": "1.1"}},
                "positions": {"1": [{"of": "p", "leverage": 46}]},
            }
        },
        {"expect": {"deals": {"1": [expected]}}},
    ]
    server = {"day_end": "23:59", "time_zone": "Europe/Berlin"}

    parsed = parse(scenario(steps, symbols=symbols, server=server), "f")

    assert parsed.server == server
    assert [symbol["swap_mode"] for symbol in parsed.symbols] == list(modes)
    assert parsed.symbols[0]["sessions"] == week
    assert [dealer["groups"] for dealer in parsed.steps[4].value] == [None, ["std", "eu-*", "!eu-vip"], None]
    assert (parsed.steps[1].value["order"], parsed.steps[2].value["price"]) == ("o", "1.2")


@pytest.mark.parametrize(
    ("expires", "time_ms"),
    [
        ("2024-01-02T00:00:00.25Z", START_MS + 250),
        ("2024-01-02T01:00:00+01:00", START_MS),
        ("9999-01-01T00:00:00Z", 253_370_764_800_000),
        ("10000-01-01T00:00:00Z", 253_402_300_800_000),
    ],
)
def test_parse_when_an_expiry_is_of_any_year_then_it_is_left_to_the_engine(
    expires: str, time_ms: int
) -> None:
    order = {**PLACE, "type": "buy_limit", "price": "1", "expires": expires}

    assert parse(scenario([{"place": order}]), "f").steps[0].value["expires"] == time_ms


def test_clock_when_a_day_end_is_asked_for_then_it_goes_to_the_next_by_the_servers_clock() -> None:
    server = {"day_end": "17:00", "time_zone": "America/New_York"}
    steps = [{"day_end": {}}, {"day_end": {}}, {"day_end": {}, "at": "2024-03-11T00:00:00Z"}]
    clock = Clock(server)

    times = [clock.advance(step) for step in parse(scenario(steps, server=server), "f").steps]

    hour = 3_600_000  # 22:00 UTC in winter, 21:00 UTC on 11 March 2024
    assert times == [START_MS + 22 * hour, START_MS + 46 * hour, START_MS + (69 * 24 + 21) * hour]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (scenario(extra=1), "f: extra: unknown key"),
        (scenario(why=""), "f: why: expected a text"),
        (scenario(symbols=[{"name": "EURUSD", "digit": 5}]), "f: symbols[0].digit: unknown key"),
        (scenario(symbols=[{"name": "EURUSD"}] * 2), "f: symbols[1].name: 'EURUSD' is there twice"),
        (scenario(symbols=[{"name": "EURUSD", "contract_size": 100}]), "f: symbols[0].contract_size: expected a string"),
        (scenario(symbols=[{"name": "us30"}]), "f: symbols[0].base_currency: is required"),
        (scenario(symbols=[{"name": "FUT", "calc_mode": "futures"}]), "f: symbols[0].tick_size: is required for futures"),
        (scenario(groups=[{"name": "std", "securities": {"x": {"leverage": 5}}}]), "f: groups[0].securities.x.leverage: unknown"),
        (scenario(accounts=[{"login": 1, "group": "other"}]), "f: accounts[0].group: 'other' is not defined"),
        (scenario(accounts=[{"login": 1, "group": "std", "agent": 9}]), "f: accounts[0].agent: 9 is not defined"),
        (scenario([{"jump": {}}]), "f: step 1.jump: unknown action"),
        (scenario([{"wait": 1, "tick": TICK["tick"]}]), "f: step 1: expected one action"),
        (scenario([{"tick": {"symbol": "GBPUSD", "bid": "1", "ask": "1"}}]), "f: step 1.tick.symbol: 'GBPUSD' is not defined"),
        (scenario([{"tick": {"symbol": "EURUSD", "bid": 1.1, "ask": "1"}}]), "f: step 1.tick.bid: expected a string"),
        (scenario([TICK, {"place": {**PLACE, "login": 2}}]), "f: step 2.place.login: 2 is not defined"),
        (scenario([{"place": {**PLACE, "as": "o"}}, {"place": {**PLACE, "as": "o"}}]), "f: step 2.place.as: 'o' is there twice"),
        (scenario([{"place": {**PLACE, "price": "1"}}]), "f: step 1.place.price: does not belong to buy"),
        (scenario([{"set": {"group": "std", "values": 5}}]), "f: step 1.set.values: expected an object, got 5"),
        (scenario([{"set": {"server": False, "values": {}}}]), "f: step 1.set.server: expected true"),
        (scenario([{"set": {"server": True, "values": {"digits": 5}}}]), "f: step 1.set.values.digits: unknown key"),
        (scenario([{"accept": {"login": 1, "order": "o"}}]), "f: step 1.accept.order: 'o' is not defined"),
        (scenario([{"place": {**PLACE, "as": "o"}}, {"close": {"login": 1, "position": "o", "price": "1"}}]), "f: step 2.close.price: belongs to a manager's close"),
        (scenario([{"dealers": [{"name": "anna", "groups": ["nobody"]}]}]), "f: step 1.dealers[0].groups: 'nobody' is not defined"),
        (scenario(server={"time_zone": "Mars/Olympus"}), "f: server.time_zone: "),
        (scenario(server={"day_end": "24:00"}), "f: server.day_end: "),
        (scenario(server={"zone": "UTC"}), "f: server.zone: unknown key"),
        (scenario(symbols=[{"name": "EURUSD", "sessions": {"zone": "UTC"}}]), "f: symbols[0].sessions.zone: expected one of"),
        (scenario(groups=[{"name": "std", "leverage": 30, "leverage_max": 50}], accounts=[{"login": 1, "group": "std", "leverage": 51}]), "f: accounts[0].leverage: 51 is above 50"),
        (scenario([{"place": PLACE, "error": "nope"}]), "f: step 1.error: expected one of"),
        (scenario([{**TICK, "error": "no_money"}]), "f: step 1.error: does not belong to tick"),
        (scenario([{**TICK, "refused": "late"}]), "f: step 1.refused: expected one of"),
        (scenario([{**TICK, "at": "2024-01-02"}]), "f: step 1.at: expected a time"),
        (scenario([{"close": {"login": 1, "position": "o"}}]), "f: step 1.close.position: 'o' is not defined"),
        (scenario([{"set": {"account": 1, "values": {"balance": "5"}}}]), "f: step 1.set.values.balance: unknown key"),
        (scenario([{"expect": {"orders": {"o": {}}}}]), "f: step 1.expect.orders.o: is not defined"),
        (scenario([{"expect": {"accounts": {"1": {"equit": "1"}}}}]), "f: step 1.expect.accounts.1.equit: unknown key"),
    ],
)  # fmt: skip
def test_parse_when_something_is_wrong_then_says_where_and_why(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(raw, "f")

    assert str(caught.value).startswith(message)


def test_load_when_a_file_is_not_json_or_has_a_key_twice_then_says_so(tmp_path: Path) -> None:
    broken, double = tmp_path / "broken.json", tmp_path / "double.json"
    broken.write_text("{", encoding="utf-8")
    double.write_text(json.dumps(scenario())[:-1] + ', "name": "again"}', encoding="utf-8")

    with pytest.raises(ScenarioError, match="not JSON"):
        load(broken)
    with pytest.raises(ScenarioError, match="'name' is there twice"):
        load(double)
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "absent.json")


def test_clock_when_at_lies_in_the_past_then_the_step_is_old_and_the_clock_stands() -> None:
    steps = parse(scenario([{"wait": 60}, {**TICK, "at": "2024-01-02T00:00:30Z"}, TICK]), "f").steps
    clock = Clock({})

    times = [(clock.advance(step), clock.now_ms) for step in steps]

    assert [(own - START_MS, now - START_MS) for own, now in times] == [
        (60000, 60000),
        (30000, 60000),
        (61000, 61000),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"login": ' + "9" * 5_000 + "}", "not JSON: Exceeds the limit"),
        (b"\xe9", "not UTF-8 (byte 0"),
        ("", "not JSON"),
    ],
)
def test_load_when_it_is_not_readable_then_said_in_one_line(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)

    with pytest.raises(ScenarioError) as refusal:
        load(path)

    assert str(refusal.value).startswith(f"{path}: file: {told}")


def test_load_when_the_file_has_a_byte_order_mark_then_read(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    path.write_text("\ufeff" + json.dumps(scenario()), encoding="utf-8")

    assert load(path).name == "n"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"symbols": [{"name": "EURUSD", "contract_size": "1" + "0" * 60}]}, "symbols[0]: contract_size:"),
        ({"symbols": [{"name": "E" * 33}]}, "symbols[0].name: expected a text of at most 32 signs, got 33"),
        (
            {"groups": [{"name": "std", "leverage": 10**40}]},
            "groups[0].leverage: expected a whole number between 1 and",
        ),
        ({"groups": [{"name": "s\0"}]}, "groups[0].name: expected a text that can be stored"),
        ({"name": "\ud800"}, "name: expected a text that can be stored"),
        (
            {"accounts": [{"login": 0, "group": "std"}]},
            "accounts[0].login: expected a whole number between 1 and",
        ),
        ({"steps": [{"wait": 10**18}]}, "step 1.wait: expected a whole number between 0 and"),
        ({"steps": [{"at": "9999-12-31T23:59:59Z", **TICK}]}, "step 1.at: expected a time from 1970 to 2200"),
        (
            {"steps": [{"place": {**PLACE, "leverage": 10**30}}]},
            "step 1.place.leverage: expected a whole number",
        ),
    ],
)
def test_parse_when_a_value_is_beyond_what_rows_hold_then_it_says_where(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ScenarioError) as refusal:
        parse(scenario(**changes), "f")

    assert told in str(refusal.value)
