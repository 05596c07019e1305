"""The journal and its services: one effect for one client id, answers by code, poison kept aside, events in order."""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Account, LedgerEntry
from dealing import bus, journal, registry, services, tasks
from dealing.desk import Desk
from dealing.models import Command, EngineBatch, Outbox, PoisonItem
from engine import commands as cmd
from orders.models import Order
from positions.models import Deal, Position
from tests.desk.conftest import LOGIN, PATIENT, World, assert_clean, deposit, until


def buy(login: int = LOGIN, *, volume: str = "0.01", **words: Any) -> services.Outcome:
    caller = replace(PATIENT, **words)
    return services.place_order(login, symbol="EURUSD", type="buy", volume=volume, caller=caller)


def ready(world: World) -> None:
    world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")


def test_client_id_when_sent_by_many_at_once_then_one_effect_and_one_answer(world: World) -> None:
    ready(world)
    answers: list[services.Outcome] = []

    def send(number: int) -> None:
        answers.append(buy(client_id=f"key-{number % 5}"))
        connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(answer.ok for answer in answers)
    assert len({answer.ticket for answer in answers}) == 5
    assert Deal.objects.count() == 5


def test_client_id_when_used_for_another_request_then_conflict_and_nothing_changed(world: World) -> None:
    ready(world)
    first = buy(client_id="k")

    other = buy(client_id="k", volume="0.02")

    assert (other.state, other.code) == ("refused", "conflict")
    assert Position.objects.count() == 1
    assert services.outcome_by_client_id(LOGIN, "k").ticket == first.ticket
    assert services.outcome_by_client_id(LOGIN, "none") is None


def test_client_id_when_another_account_uses_it_then_both_act(world: World) -> None:
    ready(world)
    deposit(1002)

    assert buy(client_id="k").ok
    assert buy(1002, client_id="k").ok


def test_refusal_when_asked_again_then_the_same_refusal(world: World) -> None:
    ready(world)

    first, again = (buy(volume="0.015", client_id="r") for _ in range(2))

    assert (first.code, first.ticket) == (again.code, again.ticket) == ("invalid_volume", first.ticket)
    assert Order.objects.filter(status="failed", error="invalid_volume").count() == 1


def test_order_when_no_desk_runs_then_it_is_acknowledged_and_executed_later(world: World) -> None:
    ready(world)
    world.drain(world.desks[0])

    waiting = buy(wait_s=0.2)
    assert (waiting.state, bool(waiting.ticket)) == ("accepted", True)

    world.serving()
    world.settled()
    assert services.command_outcome(waiting.command_id).ok
    assert Position.objects.get().ticket == waiting.ticket


@pytest.mark.parametrize("value", [1.5, True, object()])
def test_number_when_it_is_no_decimal_text_then_type_error(world: World, value: object) -> None:
    with pytest.raises(TypeError):
        services.place_order(LOGIN, symbol="EURUSD", type="buy", volume=value)


def test_texts_when_the_database_cannot_keep_them_then_they_are_kept_readable(world: World) -> None:
    ready(world)

    outcome = buy(comment="nul \x00 and half a pair \ud800", client_id="n\x00")

    assert outcome.ok
    assert Order.objects.get(ticket=outcome.ticket).comment == "nul \ufffd and half a pair ?"


@pytest.mark.parametrize("login", [-1, 0, 2**63, 10**40])
def test_login_when_it_cannot_exist_then_account_disabled(world: World, login: int) -> None:
    assert services.place_order(login, symbol="EURUSD", type="buy", volume="1").code == "account_disabled"


def test_service_when_inside_a_transaction_then_its_row_lives_and_dies_with_it(world: World) -> None:
    ready(world)

    with transaction.atomic():
        told = services.reload_settings("symbol", "EURUSD")
    assert told.state == "accepted"
    until(lambda: services.command_outcome(told.command_id).ok, "the outcome")

    before = Command.objects.count()
    with pytest.raises(RuntimeError), transaction.atomic():
        services.reload_settings("symbol", "EURUSD")
        raise RuntimeError("the edit failed")
    assert Command.objects.count() == before


def test_latency_when_the_desk_is_idle_then_an_order_is_answered_soon(world: World) -> None:
    ready(world)
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        assert buy().ok
        took.append(time.perf_counter() - begun)

    assert sorted(took)[10] < 0.1


def test_command_when_the_engine_cannot_process_it_then_it_is_put_aside_and_others_go_on(
    world: World,
) -> None:
    ready(world)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dealing_command (shard, login, name, payload, ticket, smart, actor, status, code, message)"
            " VALUES (0, %s, 'PlaceOrder', '{\"nonsense\": 1}', 10, 0, '', 'pending', '', '')",
            (LOGIN,),
        )
    after = buy()

    world.settled()
    assert after.ok
    bad = Command.objects.get(payload={"nonsense": 1})
    assert (bad.status, bad.code) == ("done", "internal_error")
    kept = PoisonItem.objects.get()
    assert (kept.kind, kept.reference, json.loads(kept.raw)["payload"]) == (
        "command",
        str(bad.pk),
        {"nonsense": 1},
    )
    assert_clean()


class Picky:
    """A store that cannot write one client's order, to be found by bisection."""

    def load(self, cursor: object, state: object, *, shard: int, shards: int) -> None: ...

    def record(self, cursor: object, changes: object) -> None:
        if any(order.client_id == "bad" for order in changes.orders.values()):
            raise ValueError("this order cannot be written")


def test_batch_when_one_order_cannot_be_written_then_only_that_one_is_put_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(world)
    world.drain(world.desks[0])
    monkeypatch.setattr(registry, "STORES", [*registry.STORES, ("picky", Picky())])
    sent = [buy(client_id="bad" if n == 13 else f"good-{n}", wait_s=0).command_id for n in range(20)]

    assert Desk.from_settings(0, until_idle=True).run() == "idle"

    codes = {number: services.command_outcome(number).code for number in sent}
    assert [number for number, code in codes.items() if code] == [sent[13]]
    assert codes[sent[13]] == "internal_error"
    assert Deal.objects.count() == 19
    assert PoisonItem.objects.get().reference == str(sent[13])
    assert_clean()


def test_tick_when_its_line_is_malformed_then_it_is_counted_invalid(world: World) -> None:
    ready(world)
    entry = world.redis.xadd(
        "ticks", {"d": "EURUSD,1.1\nEURUSD,1.2,1.3,abc\nEURUSD,1.10000,1.10020,99999999999999"}
    )
    until(lambda: world.redis.hget("td:ticks:0", "invalid") == "3", f"entry {entry}")
    assert buy().ok


def test_events_when_published_then_numbered_without_holes_and_after_their_rows(world: World) -> None:
    ready(world)
    with world.redis.pubsub() as channel:
        channel.subscribe("td:events")
        for _ in range(5):
            assert buy().ok
        position = Position.objects.first()
        assert services.close_position(LOGIN, position.ticket).ok
        events = []
        end = time.monotonic() + 5
        while time.monotonic() < end and not any(
            e["data"].get("deal", {}).get("direction") == "out" for e in events
        ):
            message = channel.get_message(ignore_subscribe_messages=True, timeout=0.2)
            if message:
                events.append(json.loads(message["data"]))

    own = [event["seq"] for event in events if event["login"] == LOGIN]
    assert own == list(range(own[0], own[0] + len(own)))
    rows = Outbox.objects.filter(login=LOGIN, seq__in=own).order_by("seq")
    assert [(r.kind, r.data) for r in rows] == [(e["kind"], e["data"]) for e in events if e["login"] == LOGIN]
    assert {"order", "position", "deal"} <= {event["kind"] for event in events}


def test_watched_account_when_the_market_moves_then_its_live_values_are_published(world: World) -> None:
    ready(world)
    made = buy(volume="1")
    world.redis.zadd("td:watched", {str(LOGIN): time.time() + 30})
    with world.redis.pubsub() as channel:
        channel.subscribe("td:live")
        seen = None
        end = time.monotonic() + 10
        bid = 110_000
        while time.monotonic() < end and seen is None:
            bid += 10
            world.tick(
                f"{bid // 100_000}.{bid % 100_000:05d}", f"{(bid + 10) // 100_000}.{(bid + 10) % 100_000:05d}"
            )
            message = channel.get_message(ignore_subscribe_messages=True, timeout=0.3)
            seen = json.loads(message["data"]) if message else None

    assert seen is not None
    live = seen["accounts"][str(LOGIN)]
    assert set(live["positions"]) == {str(made.ticket)}
    assert live["account"]["equity"] != live["account"]["balance"]
    assert (
        json.loads(until(lambda: world.redis.hget("td:accounts", str(LOGIN)), "the account"))["margin"]
        != "0.00"
    )


def test_question_when_asked_then_the_desk_answers_from_its_memory(world: World) -> None:
    ready(world)
    world.redis.xadd(bus.wake_key(0), {"q": json.dumps({"logins": [LOGIN, 9], "reply": "td:reply:1"})})

    told = json.loads(world.redis.blpop(["td:reply:1"], timeout=5)[1])

    assert list(told["accounts"]) == [str(LOGIN)]
    assert told["accounts"][str(LOGIN)]["account"]["balance"] == "100000.00"


def test_agent_when_another_shard_serves_it_then_its_commission_is_booked_there(
    world: World, settings: object
) -> None:
    settings.DESK_SHARDS = 2
    world.env["DESK_SHARDS"] = "2"
    Account.objects.filter(login=1001).update(group_id="agents", agent=1002)
    Account.objects.filter(login=1002).update(group_id="agents")
    world.serving(shard=0)
    world.serving(shard=1)
    deposit(1001)
    world.quoted("1.10000", "1.10010")
    until(
        lambda: services.place_order(1001, symbol="EURUSD", type="buy", volume="1").ok, "a quote on shard 1"
    )

    assert services.close_position(1001, Position.objects.get(login=1001).ticket, caller=PATIENT).ok

    paid = until(
        lambda: LedgerEntry.objects.filter(login=1002, kind="agent_commission").first(), "the commission"
    )
    assert str(paid.amount) == "5.00"
    booked = Command.objects.get(name="BookAgentCommission")
    assert (booked.client_key, booked.shard) == (f"agent-{paid.deal}", 0)
    world.settled()
    assert_clean()


def test_body_when_written_then_without_reserved_numbers_and_read_back_the_same() -> None:
    command = cmd.ModifySmart(login=1, smart=7, version=2, levels=[["1.2", "50"]], ticket=5)

    body = journal.body_of(command)

    assert body["smart"] == 7
    assert "ticket" not in body and "valid_until_ms" not in body
    assert cmd.from_json("ModifySmart", body) == cmd.ModifySmart(
        login=1, smart=7, version=2, levels=[["1.2", "50"]]
    )


def test_sweep_when_events_are_old_and_published_then_they_go(world: World) -> None:
    ready(world)
    buy()
    world.drain(world.desks[0])
    Outbox.objects.update(time_ms=1)
    old = EngineBatch.objects.order_by("seq").first()
    EngineBatch.objects.filter(seq=old.seq).update(at=datetime.now(UTC) - timedelta(days=31))
    kept = EngineBatch.objects.count() - 1

    tasks.sweep()

    assert not Outbox.objects.exists()
    assert EngineBatch.objects.count() == kept
    assert_clean()


def test_account_when_its_rows_disagree_then_it_is_frozen_and_others_go_on(world: World) -> None:
    ready(world)
    deposit(1002)
    world.drain(world.desks[0])
    Account.objects.filter(login=1002).update(balance="123456")

    world.serving()

    assert buy(1002).code == "halted"
    assert buy().ok
    assert PoisonItem.objects.get().reference == "account 1002"
