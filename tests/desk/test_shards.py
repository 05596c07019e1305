"""The number of shards is the database's: who believes another one is refused, and it changes only while all stands."""

import json
import subprocess
import sys

import psycopg
import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from accounts.models import Account
from dealing import journal, services, shards
from dealing.lease import NoSuchShard, take
from dealing.models import Command, EngineControl, EngineShard, Halt, Outbox, PluginState
from dealing.shards import NotChanged, WrongShards, merged
from live import figures
from live.account_view import read_account_view
from markets.models import Extremes
from markets.store import move_extremes
from positions.models import Deal, Position
from tests.desk.conftest import AT_ONCE, LIMIT_S, LOGIN, PATIENT, ROOT, World, assert_clean, deposit, until

LOGINS = (1001, 1002, 1003)


def change(number: int) -> shards.Changed:
    with transaction.atomic(), connection.cursor() as cursor:
        return shards.change(cursor, number)


def serve(world: World, number: int) -> list[subprocess.Popen[bytes]]:
    world.env["DESK_SHARDS"] = str(number)
    return [world.serving(shard=shard) for shard in range(number)]


def stop(world: World, desks: list[subprocess.Popen[bytes]]) -> None:
    for shard, desk in enumerate(desks):
        world.drain(desk, shard)


def quoted(world: World, bid: str, ask: str) -> None:
    entry = world.tick(bid, ask)
    until(lambda: not EngineShard.objects.exclude(tick_cursor=entry).exists(), "the tick on every shard")


def test_number_when_the_first_desk_starts_then_its_belief_becomes_the_fact(world: World) -> None:
    desk = serve(world, 2)[1]

    assert EngineControl.objects.get().shards == 2
    assert desk.poll() is None


def test_number_when_nobody_believes_any_then_it_is_one(world: World) -> None:
    world.env.pop("DESK_SHARDS", None)
    world.serving()
    deposit()

    assert EngineControl.objects.get().shards == 1


def test_desk_when_it_believes_another_number_then_it_is_refused_with_both(world: World) -> None:
    serve(world, 2)
    held = [world.epoch(0), world.epoch(1)]

    for shard in (0, 2):
        wrong = world.start(shard=shard, DESK_SHARDS="3")
        assert wrong.wait(LIMIT_S) == 1

    assert "started for DESK_SHARDS=3, the database has 2" in world.log()
    assert [world.epoch(0), world.epoch(1)] == held
    assert EngineShard.objects.count() == 2


def test_desk_when_it_believes_nothing_then_it_takes_the_databases_number(world: World) -> None:
    for desk in serve(world, 2):
        world.drain(desk, world.desks.index(desk))
    world.env.pop("DESK_SHARDS")
    world.serving(shard=1)

    with pytest.raises(NoSuchShard, match="no shard 2: the database has 2, from 0 to 1"):
        take(2)
    assert EngineShard.objects.count() == 2


def test_process_when_it_believes_another_number_then_it_neither_writes_nor_reads(
    world: World, settings: object
) -> None:
    serve(world, 1)
    deposit()
    settings.DESK_SHARDS = 3
    before = Command.objects.count()

    for use in (
        lambda: services.balance_operation(LOGIN, "deposit", "1"),
        lambda: services.set_halt("group", "retail", "halt"),
        lambda: journal.number_of_shards(),
        lambda: read_account_view(LOGIN),
        lambda: figures.plan_stops([]),
        lambda: take(0),
    ):
        with pytest.raises(WrongShards, match="DESK_SHARDS=3, the database has 1"):
            use()

    assert Command.objects.count() == before
    assert world.epoch() == 1


def test_rest_when_its_process_believes_another_number_then_503_says_so(
    world: World, settings: object, django_user_model: object
) -> None:
    serve(world, 1)
    user = django_user_model.objects.create_user("anna", password="p")
    Account.objects.filter(login=LOGIN).update(user=user)
    client = APIClient(REMOTE_ADDR="127.0.0.1")
    client.force_authenticate(user)
    settings.DESK_SHARDS = 2

    answer = client.post("/api/v1/orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"}, "json")

    assert answer.status_code == 503
    assert "DESK_SHARDS=2, the database has 1" in answer.json()["message"]
    assert not Command.objects.filter(name="PlaceOrder").exists()


def test_journal_when_the_number_changes_under_it_then_the_row_is_not_written(world: World) -> None:
    serve(world, 1)
    deposit()
    before = Command.objects.count()
    agreed = shards.settled

    def late(cursor: object) -> int:
        number = agreed(cursor)
        with psycopg.connect(str(world.env["DATABASE_URL"]), autocommit=True) as other:
            other.execute("UPDATE dealing_enginecontrol SET shards = 2")
        return number

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "settled", late)
        with pytest.raises(WrongShards):
            services.balance_operation(LOGIN, "deposit", "1", caller=AT_ONCE)

    assert Command.objects.count() == before


def test_change_when_a_desk_runs_then_it_is_refused_and_nothing_changes(world: World) -> None:
    serve(world, 1)

    done = subprocess.run(
        [sys.executable, "manage.py", "shards", "2"], cwd=ROOT, env=world.env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "holds the lease of shard 0: stop all desks first" in done.stderr
    assert EngineControl.objects.get().shards == 1
    assert buy(LOGIN).code != "internal_error"


@pytest.mark.parametrize("number", [0, 1_001, -1])
def test_change_when_the_number_cannot_be_then_it_is_refused(world: World, number: int) -> None:
    with pytest.raises(NotChanged, match="1 to 1000 are possible"):
        change(number)


def test_change_when_shards_stand_at_different_ticks_then_it_is_refused(world: World) -> None:
    desks = serve(world, 2)
    quoted(world, "1.10000", "1.10010")
    stop(world, desks)
    EngineShard.objects.filter(shard=1).update(tick_cursor="1-0")

    with pytest.raises(NotChanged, match="different places"):
        change(3)

    assert EngineControl.objects.get().shards == 2
    assert EngineShard.objects.count() == 2


def test_change_when_a_whole_shards_command_waits_then_it_is_refused(world: World) -> None:
    stop(world, serve(world, 1))
    services.set_halt("group", "retail", "halt", caller=AT_ONCE)

    with pytest.raises(NotChanged, match="1 commands wait"):
        change(2)


def buy(login: int) -> services.Outcome:
    return services.place_order(login, symbol="EURUSD", type="buy", volume="0.01", caller=PATIENT)


def test_change_when_it_goes_up_and_down_then_trading_goes_on_and_no_number_comes_twice(world: World) -> None:
    desks = serve(world, 1)
    for login in LOGINS:
        deposit(login)
    quoted(world, "1.10000", "1.10010")
    services.set_halt("symbol", "GBPUSD", "halt", caller=PATIENT)
    services.set_halt("account", 1003, "close_only", caller=PATIENT)
    assert buy(1001).ok and buy(1002).ok
    stop(world, desks)
    services.close_position(1001, Position.objects.get(login=1001).ticket, caller=AT_ONCE)

    for number in (3, 2, 3, 1):
        done = change(number)
        assert done.after == number
        assert list(EngineShard.objects.order_by("shard").values_list("shard", flat=True)) == list(
            range(number)
        )
        assert Halt.objects.filter(scope="symbol", key="GBPUSD").count() == number
        assert Halt.objects.get(scope="account").shard == 1003 % number
        desks = serve(world, number)
        world.settled()
        quoted(world, "1.10000", "1.10010")
        for login in (1001, 1002):
            assert buy(login).ok
        assert buy(1003).code == "halted"
        stop(world, desks)
        # Events that an old owner left are published by somebody.
        for row in EngineShard.objects.all():
            assert not Outbox.objects.filter(shard=row.shard, id__gt=row.published).exists()
        assert not Outbox.objects.filter(
            shard__gte=number, id__gt=max(r.published for r in EngineShard.objects.all())
        )

    tickets = list(Deal.objects.values_list("ticket", flat=True))
    assert len(tickets) == len(set(tickets)) == 2 + 1 + 4 * 2
    assert Position.objects.filter(login=1001, status="closed").count() == 1
    assert_clean()


def test_change_when_a_shard_went_away_then_its_numbers_never_come_again(world: World) -> None:
    stop(world, serve(world, 2))
    EngineShard.objects.filter(shard=1).update(next_order=70, next_deal=500, next_request=3)

    change(1)
    change(2)

    for row in EngineShard.objects.all():
        assert (row.next_order, row.next_deal, row.next_request) == (500, 500, 500)


def test_change_when_plugins_remember_then_every_shard_has_what_all_remembered(world: World) -> None:
    stop(world, serve(world, 2))
    PluginState.objects.create(shard=0, name="limits", state={"options": {"a": 1}, "lost": {"1002": "5.00"}})
    PluginState.objects.create(shard=1, name="limits", state={"options": {"a": 1}, "lost": {"1001": "7.00"}})

    change(3)

    whole = {"options": {"a": 1}, "lost": {"1001": "7.00", "1002": "5.00"}}
    assert [row.state for row in PluginState.objects.order_by("shard")] == [whole] * 3


def test_memory_when_two_shards_hold_different_values_then_the_lowest_shards_counts() -> None:
    assert merged([{"n": 1, "own": [1]}, {"n": 2, "more": {"x": 1}}]) == {
        "n": 1,
        "own": [1],
        "more": {"x": 1},
    }


def test_extremes_when_shards_are_merged_then_they_reach_as_far_as_the_longest(world: World) -> None:
    Extremes.objects.create(shard=0, symbol="EURUSD", data={"highs": [[2, 50], [7, 40]], "lows": [[5, 10]]})
    Extremes.objects.create(shard=1, symbol="EURUSD", data={"highs": [[4, 45], [7, 40]], "lows": [[6, 12]]})

    with connection.cursor() as cursor:
        move_extremes(cursor, 2, 1)

    data = Extremes.objects.get().data
    data = json.loads(data) if isinstance(data, str) else data
    assert data == {"highs": [[2, 50], [4, 45], [7, 40]], "lows": [[5, 10], [6, 12]]}
