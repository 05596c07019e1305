"""A day again: what a desk did between kills is computed anew from its inputs, deal by deal."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from dealing import loop, services, snapshots
from dealing.inputs import unpacked
from dealing.kept_ticks import HeldElsewhere, TickFolder
from dealing.models import EngineBatch, EngineSnapshot, Gap
from dealing.ticks import id_key
from engine.hooks import Answer, Plugin
from positions.models import Deal
from tests.desk.conftest import AT_ONCE, LIMIT_S, LOGIN, OTHER, PATIENT, ROOT, Here, World, deposit, until


class EveryThird(Plugin):
    """Refuses every third order, and remembers how many there were."""

    name = "third"

    def __init__(self) -> None:
        self.asked = 0

    def command_filter(self, command: Any, time_ms: int) -> Answer:
        if type(command).__name__ == "PlaceOrder":
            self.asked += 1
        return Answer.REJECT if self.asked and self.asked % 3 == 0 else Answer.NONE

    def memory(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def remember(self, memory: dict[str, Any]) -> None:
        self.asked = memory["asked"]


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def keep_ticks(world: World, *words: str) -> "subprocess.Popen[bytes]":
    """Start the part that keeps ticks."""
    keeper = subprocess.Popen(
        [sys.executable, "manage.py", "keep_ticks", *words],
        cwd=ROOT, env={**world.env, "DESK_TICKS": str(world.folder / "ticks")}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    world.desks.append(keeper)
    return keeper


def replayed(world: World, *words: str) -> tuple[int, str]:
    """Replay today and return the exit status and what was printed."""
    out = StringIO()
    with override_settings(DESK_TICKS=world.folder / "ticks"):
        try:
            call_command("replay_day", today(), *words, stdout=out, stderr=out)
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def trade(world: World, chance: random.Random, rounds: int) -> None:
    """Send random orders, changes and prices."""
    for _ in range(rounds):
        points = chance.randint(109_700, 110_300)
        world.tick(f"1.{points - 100_000:05d}", f"1.{points - 99_990:05d}")
        login = chance.choice((LOGIN, OTHER))
        side = chance.choice(("buy", "sell"))
        what = chance.random()
        if what < 0.4:
            services.place_order(login, symbol="EURUSD", type=side, volume="0.10", sl="1.09600" if side == "buy" else "1.10400",
                                 caller=chance.choice((AT_ONCE, PATIENT)))  # fmt: skip
        elif what < 0.6:
            services.place_order(login, symbol="EURUSD", type=f"{side}_stop", volume="0.20", caller=AT_ONCE,
                                 price="1.10250" if side == "buy" else "1.09750")  # fmt: skip
        elif what < 0.7:
            services.balance_operation(login, "deposit", "10", caller=AT_ONCE)
        elif what < 0.8:
            services.place_smart(login, symbol="EURUSD", side=side, entry="market", volume="0.10", callback="0.1",
                                 caller=AT_ONCE)  # fmt: skip


def test_replay_day_when_desks_were_killed_between_random_orders_then_every_deal_comes_out_again(
    world: World,
) -> None:
    chance = random.Random(7)
    desk = world.serving()
    until(EngineSnapshot.objects.exists, "the snapshot")
    deposit()
    deposit(OTHER)
    world.quoted("1.10000", "1.10010")
    for _ in range(3):
        trade(world, chance, 40)
        os.kill(desk.pid, signal.SIGKILL)
        desk.wait()
        trade(world, chance, 5)
        desk = world.serving()
    trade(world, chance, 40)
    world.settled()
    world.quoted("1.10000", "1.10010")
    world.drain(desk)
    assert keep_ticks(world, "--once").wait(LIMIT_S) == 0
    world.redis.delete("ticks")  # what is not in the files is gone

    status, said = replayed(world)

    assert status == 0, said
    assert Deal.objects.count() > 40
    assert f" {Deal.objects.count()} deals" in said
    EngineSnapshot.objects.exclude(pk=EngineSnapshot.objects.order_by("at")[0].pk).delete()
    status, said = replayed(world)  # through the loads on its own
    assert (status, f" {Deal.objects.count()} deals" in said) == (0, True), said


def test_replay_day_when_an_input_was_changed_then_it_says_what_differs(world: World) -> None:
    desk = world.serving()
    deposit()
    world.quoted("1.10000", "1.10010")
    bought = services.place_order(
        LOGIN, symbol="EURUSD", type="buy", volume="0.10", sl="1.09500", caller=PATIENT
    )
    refused = services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="9999", caller=PATIENT)
    world.quoted("1.09400", "1.09410")
    world.drain(desk)
    opened, closed = Deal.objects.order_by("ticket")
    assert keep_ticks(world, "--once").wait(LIMIT_S) == 0
    assert replayed(world)[0] == 0
    assert (bought.code, bool(refused.code)) == ("", True)

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dealing_command SET payload = jsonb_set(payload, '{volume}', '\"0.20\"') WHERE id = %s",
            (bought.command_id,),
        )
    status, said = replayed(world)
    assert status == 1
    assert f"deal {opened.ticket} of account {LOGIN}: volume is 0.10, its inputs make 0.20" in said
    assert replayed(world, "--account", str(LOGIN))[0] == 1
    assert replayed(world, "--account", str(OTHER))[0] == 0

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dealing_command SET payload = jsonb_set(payload, '{volume}', '\"0.10\"') WHERE id = %s",
            (bought.command_id,),
        )
    assert replayed(world)[0] == 0
    (path,) = (world.folder / "ticks").glob("*/*/EURUSD.parquet")
    table = pq.read_table(path)
    bids = [bid.replace("1.09400", "1.09405") for bid in table["bid"].to_pylist()]
    pq.write_table(table.set_column(table.schema.get_field_index("bid"), "bid", [bids]), path)
    status, said = replayed(world)
    assert status == 1
    assert f"deal {closed.ticket} of account {LOGIN}: price is 1.09400, its inputs make 1.09405" in said

    path.unlink()
    world.redis.delete("ticks")
    with pytest.raises(CommandError, match=r"is neither in .* nor in the stream"):
        replayed(world)


def test_replay_day_when_ticks_were_passed_over_then_their_quotes_count_and_the_deals_come_out(
    world: World,
) -> None:
    desk = world.serving(DESK_GAP_LIMIT_S="1")
    deposit()
    world.quoted("1.10000", "1.10010")
    services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.10", sl="1.09500", caller=PATIENT)
    desk.kill()
    desk.wait()
    world.tick("1.09000", "1.09010")
    world.tick("1.09700", "1.09710")
    time.sleep(1.5)
    desk = world.serving(DESK_GAP_LIMIT_S="1")
    until(Gap.objects.exists, "the gap")
    services.place_order(LOGIN, symbol="EURUSD", type="buy", volume="0.20", caller=PATIENT)
    world.quoted("1.09450", "1.09460")
    world.drain(desk)

    status, said = replayed(world)  # nothing was kept yet, all is in the stream

    assert (status, " 3 deals" in said) == (0, True), said
    assert "G" in {entry[0] for batch in EngineBatch.objects.all() for entry in unpacked(bytes(batch.inputs))}


def test_replay_day_when_plugins_remember_then_their_memory_is_part_of_what_it_begins_from(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [{"path": "tests.desk.test_replay.EveryThird"}]
    desk = world.serving(DESK_PLUGINS=json.dumps(told))
    deposit()
    world.quoted("1.10000", "1.10010")
    ask = partial(services.place_order, LOGIN, symbol="EURUSD", type="buy", volume="0.10", caller=PATIENT)
    codes = [ask().code for _ in range(4)]
    world.drain(desk)
    desk = world.serving(DESK_PLUGINS=json.dumps(told))
    codes += [ask().code for _ in range(4)]
    world.drain(desk)
    assert [bool(code) for code in codes] == [False, False, True, False, False, True, False, False]

    EngineSnapshot.objects.exclude(pk=EngineSnapshot.objects.order_by("-at")[0].pk).delete()
    EngineBatch.objects.filter(seq__lte=EngineSnapshot.objects.get().seq).update(
        at=datetime.now(UTC) - timedelta(days=1)
    )
    with override_settings(DESK_PLUGINS=told):
        status, said = replayed(world)
    assert (status, " 4 commands, 3 deals" in said) == (0, True), said
    status, said = replayed(world)
    assert status == 1
    assert "the plugins of that day were" in said
    assert re.search(r"was answered \w+, its inputs make done", said)


def test_replay_day_when_a_desk_serves_on_past_midnight_then_it_begins_from_the_snapshot_before(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = iter(range(1_000_000))
    monkeypatch.setattr(snapshots, "_day", lambda: next(days))  # each look is on a new day
    here.ask(volume="0.10", sl="1.09500")
    monkeypatch.setattr(loop, "IDLE_ENDS_S", 1.5)

    def later() -> None:
        time.sleep(1.2)
        here.ask(volume="0.20")
        here.world.tick("1.09400", "1.09410")
        connection.close()

    asking = threading.Thread(target=later)
    asking.start()
    here.run()
    asking.join()
    last = max(batch.seq for batch in EngineBatch.objects.filter(commands=1))
    kept = {
        entry[1]: batch.seq for batch in EngineBatch.objects.filter(seq=last)
        for entry in unpacked(bytes(batch.inputs)) if entry[0] == "S"
    }  # fmt: skip
    between = EngineSnapshot.objects.filter(pk__in=kept).order_by("seq").last()
    assert between is not None
    EngineSnapshot.objects.exclude(pk=between.pk).delete()
    EngineBatch.objects.filter(seq__lt=kept[between.pk]).update(at=datetime.now(UTC) - timedelta(days=1))

    status, said = replayed(here.world)

    assert (status, f"from batch {between.seq}:" in said) == (0, True), said
    assert " 1 commands, 2 deals" in said


def test_keep_ticks_when_killed_at_any_moment_then_neither_holes_nor_doubles(world: World) -> None:
    sent: list[tuple[str, int, str]] = []
    folder = TickFolder(world.folder / "ticks")
    chance = random.Random(5)
    for number in range(4):
        before = folder.place()
        keeper = keep_ticks(world, "--every", "0.02")
        end = 0.0
        while not end or time.monotonic() < end:
            if not end and folder.place() != before:  # it is at work
                end = time.monotonic() + chance.random()
            lines = [f"{name},1.1,1.2,{len(sent)}" for name in chance.sample(("EURUSD", "GBPUSD", "../é"), 2)]
            entry = str(world.redis.xadd("ticks", {"d": "\n".join(lines)}))
            sent += [(entry, line, text) for line, text in enumerate(lines)]
        if number == 2:
            with pytest.raises(HeldElsewhere):
                folder.hold()
        keeper.kill()
        keeper.wait()
    assert len(folder.pieces()) > 3
    assert keep_ticks(world, "--once").wait(LIMIT_S) == 0

    for _ in range(2):
        found = [(tick.entry, tick.line, tick.raw) for tick in folder.ticks("0-0")]
        assert found == sent
        folder.join(today())
    assert [path.name for path in sorted(folder.pieces()[0].path.iterdir())] == [
        "..%2F%C3%A9.parquet", "EURUSD.parquet", "GBPUSD.parquet",
    ]  # fmt: skip
    assert len(folder.pieces()) == len(list(folder.folder.glob("*/*"))) == 1
    half = len(sent) // 2
    assert [(tick.entry, tick.line, tick.raw) for tick in folder.ticks(sent[half][0])] == [
        row for row in sent if id_key(row[0]) >= id_key(sent[half][0])
    ]
    folder.forget(datetime.now(UTC) + timedelta(days=1))
    assert folder.place() == "0-0"
