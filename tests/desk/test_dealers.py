"""Who is online as a dealer, as a desk sees it: connections that beat, and what the last one leaves."""

from accounts.setup import put_groups
from dealing import dealers, services
from dealing.models import Command, DealerConnection, EngineShard, Outbox
from engine.enums import By
from orders.models import DealerRequest, Order
from positions.models import Position
from tests.desk.conftest import LIMIT_S, LOGIN, PATIENT, World, assert_clean, deposit, until


def ready(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")


def test_dealers_when_they_come_and_go_then_the_desk_knows_who_is_online(world: World) -> None:
    ready(world)
    dealers.beat("1" * 16, "ann", groups=None)
    dealers.beat("2" * 16, "bob", groups=["retail", "!vip*"])
    bob = {"name": "bob", "groups": ["retail", "!vip*"]}
    until(lambda: EngineShard.objects.get(shard=0).dealers == ["ann", bob], "the dealers")

    dealers.end("1" * 16, "ann")
    until(lambda: EngineShard.objects.get(shard=0).dealers == [bob], "the end of ann")
    until(lambda: EngineShard.objects.get(shard=0).dealers == [], "the silence of bob")

    assert not DealerConnection.objects.exists()
    asked = Command.objects.filter(name="SetDealers").order_by("id")
    assert [command.payload["names"] for command in asked][-3:] == [["ann", "bob"], ["bob"], []]


def test_dealer_when_silent_then_what_they_left_executes_without_beat_or_worker(world: World) -> None:
    put_groups([{"name": "retail", "execution": "manual_unless_no_dealers"}])
    dealers.beat("1" * 16, "ann", groups=None)
    ready(world)
    until(lambda: EngineShard.objects.get(shard=0).dealers == ["ann"], "the dealer")
    waiting = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.10", caller=PATIENT)
    assert Order.objects.get(pk=waiting.ticket).status == "pending"

    until(lambda: Order.objects.get(pk=waiting.ticket).status == "completed", "the release", 20)

    assert_clean()


def test_dealers_when_the_desk_is_killed_and_nobody_beats_meanwhile_then_the_next_one_releases(
    world: World,
) -> None:
    put_groups([{"name": "retail", "execution": "manual_unless_no_dealers"}])
    dealers.beat("1" * 16, "ann", groups=None)
    ready(world)
    until(lambda: EngineShard.objects.get(shard=0).dealers == ["ann"], "the dealer")
    waiting = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.10", caller=PATIENT)
    world.desks[0].kill()
    world.desks[0].wait()
    dealers.end_session("")

    world.serving()

    until(lambda: Order.objects.get(pk=waiting.ticket).status == "completed", "the release")
    assert_clean()


def test_stop_out_when_a_manual_group_does_not_answer_then_each_time_out_raises_an_alarm(
    world: World,
) -> None:
    put_groups([{"name": "retail", "execution": "manual", "timeout": 1, "leverage": 500}])
    world.serving()
    deposit(amount="300")
    world.quoted("1.10000", "1.10010")
    done = services.place_order(
        LOGIN, symbol="EURUSD", type="buy", volume="1", caller=services.Caller(by=By.MANAGER, wait_s=LIMIT_S)
    )
    assert done.ok, done

    world.quoted("1.09790", "1.09800")
    until(lambda: Outbox.objects.filter(kind="stop_out_unanswered").count() == 1, "the alarm")
    world.quoted("1.09780", "1.09790")
    until(lambda: Outbox.objects.filter(kind="stop_out_unanswered").count() == 2, "the second alarm")

    alarm = Outbox.objects.filter(kind="stop_out_unanswered").first()
    assert (alarm.login, alarm.data["login"]) == (0, LOGIN)  # it is not for the client
    assert Position.objects.get().status == "open"
    assert set(DealerRequest.objects.values_list("outcome", flat=True)) == {"timeout"}
    assert "a stop-out waited for a dealer in vain" in world.log()
