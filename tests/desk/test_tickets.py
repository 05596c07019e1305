"""Numbers that shards give out: of a thousand shards, through changes of their number, a kill and the migration."""

from importlib import import_module

from django.db import connection

from dealing import services, shards
from dealing.models import EngineControl, EngineShard
from engine.engine import Engine
from engine.state import State
from orders.models import Order
from positions.models import Deal, Position
from tests.desk.conftest import LIMIT_S, PATIENT, World, assert_clean, deposit, until
from tests.desk.test_kill import KILLED
from tests.desk.test_shards import change


def numbers(shard: int) -> tuple[int, int, int]:
    """Return how far a shard has counted: its orders, deals and requests."""
    row = EngineShard.objects.get(shard=shard)
    return row.next_order, row.next_deal, row.next_request


def give(shard: int, count: int) -> list[tuple[str, int]]:
    """Let a shard's engine give out numbers, and write its counters as a batch does."""
    row = EngineShard.objects.get(shard=shard)
    state = State(next_order=row.next_order, next_deal=row.next_deal, next_request=row.next_request)
    core = Engine(state, shard=shard, shards=EngineShard.objects.count()).core
    given = [("order", core.new_order_ticket()) for _ in range(count)]
    given += [("deal", core.new_deal_ticket()) for _ in range(3 * count)]
    given += [("request", core.new_request_id()) for _ in range(2)]
    EngineShard.objects.filter(shard=shard).update(
        next_order=state.next_order, next_deal=state.next_deal, next_request=state.next_request
    )
    return given


def test_change_when_the_number_goes_to_a_thousand_and_back_then_numbers_are_unique_and_rise(
    world: World,
) -> None:
    change(1)
    with connection.cursor() as cursor:
        shards.make_rows(cursor, [0])  # as the first desk does
    before: list[tuple[str, int]] = []

    for number in (1, 2, 1_000, 9, 1_000, 8, 1, 10, 1):
        change(number)
        now = [
            pair
            for shard in sorted({0, 1, 7, 8, 9, 10, 108, 999})
            if shard < number
            for pair in give(shard, 40 + shard % 7)
        ]
        assert len(set(now)) == len(now)
        for kind in ("order", "deal", "request"):
            old, new = ([n for name, n in pairs if name == kind] for pairs in (before, now))
            assert max(old, default=0) < min(new)
        before += now

    assert max(number for _, number in before) < 10_000_000


def test_migration_when_nine_shards_have_given_numbers_then_none_of_them_comes_again(world: World) -> None:
    change(1)
    change(9)
    EngineControl.objects.update(numbers_from=3)
    EngineShard.objects.filter(shard=0).update(next_order=9, next_deal=700_001, next_request=1)
    EngineShard.objects.filter(shard=8).update(next_order=42_009, next_deal=5_000_017, next_request=1)
    epochs = {shard: world.epoch(shard) for shard in range(9)}
    highest = 5_000_016 * 10 + 9  # that the ninth shard has given out, as it was

    with connection.cursor() as cursor:
        cursor.execute(import_module("dealing.migrations.0013_tickets_of_a_thousand_shards").FORTH)

    assert EngineShard.objects.get(shard=0).next_deal == 700_001
    begun = {shard: world.epoch(shard) - epochs[shard] for shard in range(9)}
    assert begun == {**dict.fromkeys(range(8), 0), 8: 1}
    assert min(number for _, number in give(8, 1)) > highest
    change(1_000)
    assert min(number for shard in (0, 7, 8, 9, 999) for _, number in give(shard, 1)) > highest


def test_desk_when_one_of_a_thousand_is_killed_then_its_numbers_go_on_exactly(world: World) -> None:
    change(1)
    change(990)  # accounts 1001 and 1002 belong to shards 11 and 12
    world.env.update(DESK_SHARDS="990", DESK_GAP_LIMIT_S="0")  # a slow machine's restart is no gap
    desks = {shard: world.serving(shard=shard) for shard in (11, 12)}
    for login in (1001, 1002):
        deposit(login)
    entry = world.tick("1.10000", "1.10010")
    until(lambda: EngineShard.objects.filter(tick_cursor=entry).count() == 2, "the tick on both")
    for login in (1001, 1002):
        order = services.place_order(
            login, symbol="EURUSD", type="buy", volume="1", sl="1.09500", caller=PATIENT
        )
        assert order.ok and order.ticket % 10 == 0
    world.drain(desks[11], 11)
    desk = world.start(shard=11, DESK_FAILPOINT="before_commit:1")
    entry = world.tick("1.09480", "1.09490")
    assert desk.wait(LIMIT_S) == KILLED, world.log()

    again = world.serving(shard=11)
    until(lambda: EngineShard.objects.filter(tick_cursor=entry).count() == 2, "the tick on both")
    world.drain(again, 11)
    left = numbers(11)
    world.drain(world.serving(shard=11), 11)

    assert numbers(11) == left == (2, 3, 1)
    for login, ending in ((1001, 119), (1002, 129)):
        deals = list(Deal.objects.filter(login=login).order_by("ticket").values_list("ticket", flat=True))
        assert deals == [10_000 + ending, 20_000 + ending]
        closing = (
            Order.objects.filter(login=login).exclude(ticket__in=Position.objects.values("ticket")).get()
        )
        assert closing.ticket == 10_000 + ending
    assert_clean()
