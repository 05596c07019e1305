"""The fewest steps of a smart stop-out: equal to trying them one by one, at a cost that does not grow with them."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import fewest_steps as module
from engine.core import Core
from engine.enums import Side
from engine.fewest_steps import fewest_steps, first_multiple
from engine.margin import Leg, margin_parts, position_leg
from engine.profit import floating_profit, position_profit
from engine.records import Account, Position, Quote
from engine.settings import Group, Symbol
from engine.state import State
from engine.valuation import account_margin, account_state, is_stopped_out

LOGIN = 1


def scan(core: Core, position: Position, price: int) -> int:
    """Return what fewest_steps promises, found by trying every step."""
    state = core.state
    account, group = state.accounts[LOGIN], state.group_of(LOGIN)
    symbol = state.symbols[position.symbol]
    before = account_state(state, LOGIN).equity - floating_profit(state, position)
    for volume in range(symbol.volume_step, position.volume, symbol.volume_step):
        legs = []
        for other in state.book(LOGIN).positions.values():
            leg = position_leg(symbol, other)
            legs.append(Leg(leg.side, leg.volume - (volume if other is position else 0), leg.lot_margin))
        margin = account_margin(state, LOGIN, symbol_name=symbol.name, legs=legs)
        closed = position_profit(state, position, price, volume) or 0
        equity = before + closed + floating_profit(state, position, position.volume - volume)
        net = sum(leg.volume if leg.side is Side.BUY else -leg.volume for leg in legs)
        if not is_stopped_out(group, account.currency, equity, margin, hedged=net == 0):
            return volume
    return position.volume


def account_with(rng: Random, *, steps: int, currency: str) -> tuple[Core, Position]:
    """Return an account at most a few minor units from its limit, with one position of so many steps and others."""
    state = State()
    step = rng.choice(["0.00001", "0.0003", "0.01", "0.7"])
    hedged = {"margin_hedged": rng.choice(["0", "5", "10", "37"])}
    symbol = Symbol.from_values(
        {
            "name": "IDX", "digits": 1, "calc_mode": rng.choice(["cfd_leverage", "cfd"]), "contract_size": "10",
            "base_currency": "USD", "profit_currency": "USD", "margin_currency": "USD", "volume_step": step,
            "volume_min": step, "margin_rate_sell": rng.choice(["1", "1.3"]), "allow_negative": True,
            "conversion": rng.choice(["deal", "market"]), **hedged,
        },
        index=0,
    )  # fmt: skip
    money = rng.random() < 0.3
    group = Group.from_values(
        {
            "name": "g", "currency": currency, "stop_out_mode": "smart", "hedge_larger_leg": rng.random() < 0.2,
            "stop_out_unit": "money" if money else "percent", "stop_out": rng.choice(["-20", "0", "0.5", "50", "99.5"]),
            "skip_fully_hedged": rng.random() < 0.5,
        }
    )  # fmt: skip
    state.symbols["IDX"], state.groups["g"] = symbol, group
    pair = {"name": "USDJPY", "digits": 2, "base_currency": "USD", "profit_currency": "JPY"}
    state.symbols["USDJPY"] = Symbol.from_values(pair, index=1)
    state.quotes["USDJPY"] = Quote(15_013, 15_017, 0, 1)
    bid = rng.randrange(-300, 9_000)
    state.quotes["IDX"] = Quote(bid, bid + rng.randrange(30), 0, 1)
    state.accounts[LOGIN] = Account(login=LOGIN, group="g", currency=currency)
    book = state.book(LOGIN)
    for ticket in range(1, rng.randrange(2, 5)):
        whole = steps if ticket == 1 else rng.randrange(1, 2 * steps)
        position = Position(
            ticket=ticket, login=LOGIN, symbol="IDX", side=rng.choice(list(Side)), leverage=Fraction(rng.choice([1, 30])),
            volume=whole * symbol.volume_step + rng.choice([0, 0, 1]), opened_ms=0, modified_ms=0, digits=1,
            open_price=bid + Fraction(rng.randrange(-4_000, 4_000), rng.choice([1, 1, 3])),
            margin_rate=Fraction(rng.choice([1, 150])),
        )  # fmt: skip
        state.positions[ticket] = book.positions[ticket] = position
    state.index()
    figures = account_state(state, LOGIN)
    scale = 100 if currency == "USD" else 1
    limit = group.stop_out * scale if money else group.stop_out * figures.margin / 100
    state.accounts[LOGIN].balance = int(limit) - figures.equity + rng.randrange(-4, 4)
    return Core(state), state.positions[1]


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), currency=st.sampled_from(["USD", "JPY"]))
def test_fewest_steps_when_anything_is_held_then_are_those_of_a_scan(
    seed: int, steps: int, currency: str
) -> None:
    rng = Random(seed)
    core, position = account_with(rng, steps=steps, currency=currency)
    sell = position.side is Side.SELL
    market = core.state.quotes["IDX"].ask if sell else core.state.quotes["IDX"].bid

    for price in (market, market + rng.randrange(-20, 20)):
        assert fewest_steps(core, position, price) == scan(core, position, price)


@pytest.mark.parametrize("seed", range(40))
def test_fewest_steps_when_there_are_millions_then_few_are_looked_at(seed: int, monkeypatch) -> None:
    core, position = account_with(Random(seed), steps=20_000_000, currency="JPY")
    quote = core.state.quotes["IDX"]
    looks = 0

    def counted(*arguments: object) -> object:
        nonlocal looks
        looks += 1
        return margin_parts(*arguments)

    monkeypatch.setattr(module, "margin_parts", counted)
    fewest_steps(core, position, quote.ask if position.side is Side.SELL else quote.bid)

    assert looks < 4_000


@given(modulus=st.integers(1, 60), data=st.data())
def test_first_multiple_when_asked_then_is_the_first_of_all(modulus: int, data: st.DataObject) -> None:
    step, low = data.draw(st.integers(0, modulus - 1)), data.draw(st.integers(0, modulus - 1))
    high = data.draw(st.integers(low, modulus - 1))

    found = first_multiple(step, modulus, low, high)

    assert found == next((n for n in range(modulus) if low <= n * step % modulus <= high), None)
