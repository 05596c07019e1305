"""Stop-out of mode `smart` with thousands of steps: rounding to whole yen makes neighbouring steps differ."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from scenario.engine_backend import EngineBackend
from tests.fuzz.compare import replay

STEP = Decimal("0.0002")


def scenario(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a header and steps: one large position, sometimes hedged, and a falling price."""
    rng = Random(seed)
    symbol = {
        "name": "JP225", "digits": 0, "calc_mode": "cfd_leverage", "contract_size": "10",
        "base_currency": "JPY", "profit_currency": "JPY", "margin_currency": "JPY",
        "volume_min": str(STEP), "volume_step": str(STEP), "margin_hedged": rng.choice(["0", "5", "10"]),
    }  # fmt: skip
    group = {
        "name": "g", "currency": "JPY", "leverage": 500, "stop_out_mode": "smart",
        "stop_out": rng.choice(["99.5", "80", "50"]), "hedge_larger_leg": rng.random() < 0.3,
    }  # fmt: skip
    steps_held = rng.randint(600, 2500)
    balance = int(steps_held * STEP * 1520) + rng.randint(50, 400)
    header = {
        "name": "n", "why": "w", "symbols": [symbol], "groups": [group],
        "accounts": [{"login": 1001, "group": "g", "balance": str(balance)}],
    }  # fmt: skip
    place = {"login": 1001, "symbol": "JP225"}
    steps: list[dict[str, Any]] = [
        {"tick": {"symbol": "JP225", "bid": "38000", "ask": "38000"}},
        {"place": {**place, "type": "buy", "volume": str(steps_held * STEP), "as": "a"}},
    ]
    if rng.random() < 0.3:
        hedge = rng.randint(1, steps_held - 1) * STEP
        steps.append({"place": {**place, "type": "sell", "volume": str(hedge), "as": "b"}})
    price = 38000
    for _ in range(12):
        price -= rng.randint(1, 25)
        steps.append({"tick": {"symbol": "JP225", "bid": str(price), "ask": str(price + rng.randint(0, 3))}})
    return header, steps


@pytest.mark.parametrize("seed", range(60))
def test_smart_stop_out_when_steps_are_many_then_closes_as_few_as_a_scan(seed: int) -> None:
    header, steps = scenario(seed)

    assert replay(header, steps, EngineBackend) is None
