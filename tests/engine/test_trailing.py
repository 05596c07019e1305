"""Trailing groups against their naive twin, which keeps one mark for every order."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.enums import EntryType, Side, SmartState
from engine.plans import current_mark
from engine.records import SmartOrder
from engine.state import Extremes
from engine.trailing import TrailBook, stop_points

PRICES = st.integers(min_value=985, max_value=1015)  # narrow, so that marks meet
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), PRICES, st.integers(1, 40)),
        st.tuples(st.just("drop"), st.integers(0, 40)),
        st.tuples(st.just("price"), PRICES),
    ),
    max_size=150,
)


def plan(number: int, side: Side, callback: Fraction) -> SmartOrder:
    return SmartOrder(
        id=number,
        login=1,
        symbol="X",
        side=side,
        volume=1,
        entry=EntryType.MARKET,
        state=SmartState.ACTIVE,
        created_ms=0,
        modified_ms=0,
        callback=callback,
    )


@pytest.mark.parametrize("side", list(Side))
@given(ACTIONS)
@settings(max_examples=200, deadline=None)
def test_trail_book_when_driven_at_random_then_marks_and_stops_are_those_of_single_orders(
    side: Side, actions: list[tuple]
) -> None:
    book = TrailBook(side)
    marks: dict[int, int] = {}
    plans: dict[int, SmartOrder] = {}
    best = max if side is Side.BUY else min

    for action in actions:
        if action[0] == "add":
            _, mark, tenths = action
            number = len(plans)
            plans[number] = plan(number, side, Fraction(tenths, 10))
            marks[number] = mark
            book.add(plans[number], mark)
        elif action[0] == "drop":
            if action[1] in marks:
                del marks[action[1]]
                plans[action[1]].gen += 1
        else:
            price = action[1]
            stops = {n: stop_points(marks[n], plans[n].callback, side) for n in marks}
            reached = {
                n for n, stop in stops.items() if (price <= stop if side is Side.BUY else price >= stop)
            }
            assert {found.id for found in book.due(price)} == reached
            for number in reached:
                del marks[number]
            book.advance(price)
            marks = {n: best(mark, price) for n, mark in marks.items()}
            assert {n: current_mark(plans[n]) for n in marks} == marks


@given(st.lists(st.tuples(PRICES, st.integers(0, 9)), min_size=1, max_size=80), st.integers(0, 80))
@settings(max_examples=300, deadline=None)
def test_extremes_when_asked_since_a_quote_then_they_are_those_of_a_scan(
    quotes: list[tuple[int, int]], since: int
) -> None:
    extremes = Extremes()
    for seq, (bid, spread) in enumerate(quotes, start=1):
        extremes.add(seq, bid, bid + spread)

    kept = Extremes.from_json(extremes.to_json())

    later = quotes[since:]
    assert kept.highest_bid_since(since) == (max(bid for bid, _ in later) if later else None)
    assert kept.lowest_ask_since(since) == (min(bid + spread for bid, spread in later) if later else None)


def test_trail_book_when_the_market_rises_then_old_entries_do_not_pile_up() -> None:
    book = TrailBook(Side.BUY)
    for number in range(100):
        book.add(plan(number, Side.BUY, Fraction(number + 1, 10)), 1_000)

    for price in range(1_001, 11_000):
        assert book.due(price) == []
        book.advance(price)

    assert len(book.groups) == 1
    assert len(book.by_stop) < 300
    assert len(book.by_mark) < 300


def test_trail_book_when_a_group_at_the_price_takes_others_in_then_it_moves_on_once() -> None:
    book = TrailBook(Side.BUY)
    plans = [plan(number, Side.BUY, Fraction(1)) for number in range(3)]
    for one, mark in zip(plans, (1000, 1005, 1005), strict=True):
        book.add(one, mark)

    book.advance(1005)  # the larger group already stands there
    book.advance(1010)

    assert [current_mark(one) for one in plans] == [1010, 1010, 1010]
