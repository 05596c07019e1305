"""Whatever an item makes raise, wherever: it is put aside once, and everybody else trades on."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import connection

from accounts.models import Account
from dealing import bus, failpoints, narrowing, services
from dealing.desk import Desk
from dealing.failpoints import COMMAND_SEAMS, THROWN, TICK_SEAMS, Poison
from dealing.models import EngineShard, Outbox, PoisonItem, TickCount
from engine.stages import stops
from markets.models import Quote
from orders.models import Order
from positions.models import Position
from tests.desk.conftest import AT_ONCE, LOGIN, OTHER, Here, assert_clean, code_of


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe,1,2,%d", b"EURUSD,1\x00,2,%d", b"EURUSD;1;2;%d", b"EURUSD,1e999999999,1e999999999,%d",
        b"EURUSD,1E-400000,2,%d", b"EURUSD," + b"9" * 5000 + b",2,%d", "EURUSD,١.١,١.٢,%d".encode(),
        b"EURUSD,nan,inf,%d", b"EURUSD,1.1,1.2,9%d", b"EURUSD,1_1,1_2,%d", b"", b"x" * 300_000, b"\n" * 30_000,
        b"EURUSD,--1,+-2,%d", b"EURUSD,1.1,1.2,%d,", b"EURUSD,1.1,1.2,-%d", b"\xed\xa0\x80,1,2,%d",
    ],
    ids=range(17),
)  # fmt: skip
def test_line_when_it_is_no_tick_then_it_is_counted_and_the_next_one_trades(here: Here, line: bytes) -> None:
    now = b"%d" % int(datetime.now(UTC).timestamp() * 1000)
    here.world.redis.xadd("ticks", {"d": line.replace(b"%d", now)})
    entry = here.world.tick("1.20000", "1.20010")

    here.run()

    assert TickCount.objects.get(cause="invalid").ticks == 1
    assert str(Quote.objects.get(symbol="EURUSD").bid) == "1.20000"
    assert EngineShard.objects.get(shard=0).tick_cursor == entry
    assert not PoisonItem.objects.exists()


def test_entry_when_it_has_no_field_d_then_it_is_counted_and_the_next_one_trades(here: Here) -> None:
    here.world.redis.xadd("ticks", {b"\xff\x00": b"\xfe"})
    here.world.tick("1.20000", "1.20010")

    here.run()

    assert TickCount.objects.get(cause="invalid").ticks == 1
    assert str(Quote.objects.get(symbol="EURUSD").bid) == "1.20000"


def test_price_when_it_has_an_exponent_then_it_is_read(here: Here) -> None:
    here.world.tick("1.1e0", "11001E-4")

    here.run()

    quote = Quote.objects.get(symbol="EURUSD")
    assert (str(quote.bid), str(quote.ask)) == ("1.10000", "1.10010")
    assert not TickCount.objects.filter(cause="invalid").exists()


ODD_ROWS = [
    ("PlaceOrder", "[]"), ("PlaceOrder", '"text"'), ("PlaceOrder", "null"), ("NoSuch", "{}"), ("PlaceOrder", "{}"),
    ("PlaceOrder", "[" * 3000 + "]" * 3000), ("PlaceOrder", '{"login": 1' + "0" * 5000 + "}"),
    ("CancelOrder", '{"login": [], "order": 1}'), ("CancelOrder", '{"login": {}, "order": 1}'),
    ("PlaceOrder", '{"login": 1001, "symbol": ["EURUSD"], "type": "buy", "volume": "1"}'),
    ("PlaceOrder", '{"login": 1001, "symbol": "EURUSD", "type": "buy", "volume": "0.01", "comment": {}}'),
    ("PlaceOrder", '{"login": 1001, "symbol": "EURUSD", "type": "buy", "volume": "0.01", "comment": "%s"}'
     % ("x" * 5000)),
    ("PlaceOrder", '{"login": 1001, "symbol": "EURUSD", "type": "buy_limit", "volume": "0.01", "price": "1.0",'
     ' "expires": 99999999999999999999}'),
    ("EndDay", '{"time_ms": 99999999999999999}'), ("EndDay", '{"time_ms": "soon"}'),
    ("AdvanceTime", '{"time_ms": []}'), ("ChangeSettings", '{"kind": "symbol", "key": "EURUSD", "values": []}'),
    ("SetDealers", '{"names": [[]]}'), ("BalanceOperation", '{"login": 1001, "kind": "deposit", "amount": 1}'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "payload"), ODD_ROWS, ids=range(len(ODD_ROWS)))
def test_row_when_it_holds_anything_then_it_is_answered_once_and_others_trade(
    here: Here, name: str, payload: str
) -> None:
    before = here.ask(OTHER)
    odd = here.write(name, payload)
    after = here.ask(OTHER)

    desk = here.run()

    assert (code_of(before), code_of(after)) == ("", "")
    aside = PoisonItem.objects.filter(kind="command")
    assert [item.reference for item in aside] == ([str(odd)] if code_of(odd) == "internal_error" else [])
    assert desk.book.state.accounts[OTHER].enabled
    assert Position.objects.filter(login=OTHER).count() == 2
    here.world.tick("1.20000", "1.20010")
    here.run()
    assert str(Quote.objects.get(symbol="EURUSD").bid) == "1.20000"


def test_row_when_the_database_itself_cannot_read_it_out_then_it_is_put_aside(here: Here) -> None:
    odd, after = here.ask(), here.ask(OTHER)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dealing_command SET created_at = '-infinity' WHERE id = %s", (odd,))

    here.run()

    assert (code_of(odd), code_of(after)) == ("internal_error", "")
    assert PoisonItem.objects.get().reference == str(odd)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Callable[[], BaseException]], None]:
    """Return what makes one item raise at one seam."""

    def arm(key: str, place: str, thrown: Callable[[], BaseException]) -> None:
        poison = Poison("1:0")
        monkeypatch.setattr(poison, "seam_of", lambda asked: place if asked == key else "")
        monkeypatch.setattr(poison, "thrown_by", lambda asked: thrown())
        monkeypatch.setattr(failpoints, "_poison", poison)

    return arm


@pytest.mark.parametrize("place", COMMAND_SEAMS)
@pytest.mark.parametrize("number", [0, 5, 6, 14, 15, 17, 18, 20, 21, 24, 25])
def test_command_when_it_raises_anything_anywhere_then_only_it_is_put_aside(
    here: Here, poisoned: Any, place: str, number: int
) -> None:
    asked = [here.ask(login) for login in (OTHER, LOGIN, OTHER, OTHER)]
    poisoned(f"command {asked[1]}", place, THROWN[number])

    here.run()

    assert [code_of(one) for one in asked] == ["", "internal_error", "", ""]
    kept = PoisonItem.objects.get()
    assert (kept.kind, kept.reference) == ("command", str(asked[1]))
    assert json.loads(kept.raw)["payload"]["login"] == LOGIN
    assert Position.objects.count() == 3
    assert_clean()


@pytest.mark.parametrize("place", TICK_SEAMS)
@pytest.mark.parametrize("number", [0, 6, 14, 15, 17, 18, 24, 25])
def test_tick_when_it_raises_anything_anywhere_then_only_it_is_put_aside(
    here: Here, poisoned: Any, place: str, number: int
) -> None:
    entries = [here.world.tick(f"1.1{n}000", f"1.1{n}010") for n in range(4)]
    poisoned(f"tick {entries[1]}:0", place, THROWN[number])

    here.run()

    kept = PoisonItem.objects.get()
    assert (kept.kind, kept.reference) == ("tick", f"{entries[1]}:0")
    assert kept.raw.startswith("EURUSD,1.11000,1.11010,")
    assert str(Quote.objects.get(symbol="EURUSD").bid) == "1.13000"
    assert TickCount.objects.get(cause="accepted").ticks == 4
    assert EngineShard.objects.get(shard=0).tick_cursor == entries[3]


def test_order_when_its_commit_ends_the_session_each_time_then_it_is_put_aside(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [here.ask(login) for login in (OTHER, LOGIN, OTHER)]
    real = failpoints.seam

    def killing(name: str, keys: Any = ()) -> None:
        if name == "write" and f"command {asked[1]}" in list(keys):
            with psycopg.connect(here.world.env["DATABASE_URL"], autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(backend_pid, 2000) FROM dealing_engineshard WHERE shard = 0"
                )
        real(name, keys)

    monkeypatch.setattr("dealing.batch.seam", killing)

    here.run()

    assert [code_of(one) for one in asked] == ["", "internal_error", ""]
    assert PoisonItem.objects.get().reference == str(asked[1])
    assert_clean()


# Loading

BROKEN = [
    (Position, "margin_rate_exact", "'0/0'"), (Position, "open_price_exact", "'half'"), (Position, "digits", "3"),
    (Position, "modified_at", "'infinity'"), (Position, "symbol", "'NOSUCH'"), (Position, "open_price_exact", "'1/0'"),
    (Order, "created_at", "'20000-01-01'"), (Order, "price", "'NaN'"), (Order, "volume", "0.123456789"),
    (Order, "expires_at", "'infinity'"), (Order, "digits", "2"), (Order, "symbol", "'NOSUCH'"),
    (Account, "balance", "'NaN'"), (Account, "balance", "0.001"), (Account, "group_id", "'retail'"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "column", "value"), BROKEN, ids=lambda value: str(value)[:20])
def test_row_when_it_cannot_be_loaded_then_its_account_is_frozen_and_others_trade(
    here: Here, model: Any, column: str, value: str
) -> None:
    here.ask()
    here.ask(type="buy_limit", price="1.00000")
    here.ask(OTHER)
    here.run()
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE {model._meta.db_table} SET "{column}" = {value} WHERE login = {LOGIN}')
    frozen, free = here.ask(), here.ask(OTHER)

    for _ in range(2):
        here.run()

    good = column == "group_id"  # nothing is wrong with it
    assert (code_of(frozen), code_of(free)) == ("" if good else "halted", "")
    assert [item.reference for item in PoisonItem.objects.all()] == ([] if good else [f"account {LOGIN}"])
    assert Position.objects.filter(login=OTHER).count() == 2


@pytest.mark.parametrize(
    ("column", "value"), [("contract_size", "'NaN'"), ("sessions", "'7'::jsonb"), ("volume_step", "'NaN'")]
)
def test_symbol_when_it_cannot_be_loaded_then_only_what_depends_on_it_is_affected(
    here: Here, column: str, value: str
) -> None:
    here.ask()
    here.world.redis.xadd("ticks", {"d": f"GBPUSD,1.3,1.3001,{int(datetime.now(UTC).timestamp() * 1000)}"})
    here.run()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE markets_symbol DISABLE TRIGGER ALL")
        cursor.execute(f"UPDATE markets_symbol SET {column} = {value} WHERE name = 'EURUSD'")
    has_position, on_it, on_another = here.ask(), here.ask(OTHER), here.ask(OTHER, symbol="GBPUSD")

    here.run()

    assert [code_of(one) for one in (has_position, on_it, on_another)] == ["halted", "symbol_not_found", ""]
    found = sorted(PoisonItem.objects.values_list("kind", "reference"))
    assert found == [("account", f"account {LOGIN}"), ("settings", "symbol EURUSD")]


def test_account_when_it_makes_every_tick_raise_then_it_is_frozen_and_the_tick_counts(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.ask(sl="1.05000")
    here.ask(OTHER, sl="1.05000")
    here.run()
    ticket = Position.objects.get(login=LOGIN).ticket
    real = stops._close

    def failing(core: Any, tick: Any, position: Any, *args: Any) -> Any:
        if position.ticket == ticket:
            raise RecursionError("this account is odd")
        return real(core, tick, position, *args)

    monkeypatch.setattr(stops, "_close", failing)
    entry = here.world.tick("1.04000", "1.04010")

    here.run()

    assert EngineShard.objects.get(shard=0).tick_cursor == entry
    assert dict(Position.objects.values_list("login", "status")) == {LOGIN: "open", OTHER: "closed"}
    assert [(i.kind, i.reference) for i in PoisonItem.objects.all()] == [("account", f"account {LOGIN}")]
    assert code_of_after(here, here.ask()) == "halted"


def code_of_after(here: Here, number: int) -> str:
    here.run()
    return code_of(number)


# Publishing


def test_outbox_when_a_row_cannot_be_published_then_it_is_put_aside_once_and_the_others_are(
    here: Here,
) -> None:
    last = Outbox.objects.latest("id").pk
    EngineShard.objects.filter(shard=0).update(published=last)
    rows = [
        Outbox.objects.create(shard=0, login=0, seq=0, kind="dealers", time_ms=1, data={"n": n})
        for n in range(3)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dealing_outbox SET data = %s::jsonb WHERE id = %s",
            ('{"n": 1' + "0" * 5000 + "}", rows[1].pk),
        )
    heard = here.world.redis.pubsub()
    heard.subscribe(bus.EVENTS)
    heard.get_message(timeout=2)

    here.run()
    here.run()

    texts = []
    while message := heard.get_message(timeout=0.5):
        texts.append(json.loads(message["data"])["data"])
    heard.close()
    assert texts == [{"n": 0}, {"n": 2}]
    kept = PoisonItem.objects.get()
    assert (kept.kind, kept.reference) == ("publication", f"outbox {rows[1].pk}")
    assert EngineShard.objects.get(shard=0).published == rows[2].pk


# What is something else


def test_standing_when_the_session_is_ended_then_the_connection_is_lost_whatever_was_raised(
    here: Here,
) -> None:
    from dealing import lease as leases

    held = leases.take(0)
    assert held is not None
    assert narrowing.standing(held) is narrowing.Standing.OURS
    with psycopg.connect(here.world.env["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 2000)", (held.conn.info.backend_pid,))

    assert narrowing.standing(held) is narrowing.Standing.CONNECTION_LOST
    held.close()


def test_standing_when_the_epoch_has_risen_then_the_lease_is_lost(here: Here) -> None:
    from dealing import lease as leases

    held = leases.take(0)
    assert held is not None
    EngineShard.objects.filter(shard=0).update(epoch=held.epoch + 1)

    assert narrowing.standing(held) is narrowing.Standing.LEASE_LOST
    held.close()


def test_wake_stream_when_it_is_no_stream_then_ticks_and_orders_go_on(here: Here) -> None:
    here.world.redis.delete(bus.wake_key(0))
    here.world.redis.set(bus.wake_key(0), "\x00nonsense")
    asked = here.ask()
    here.world.redis.set(bus.wake_key(0), "nonsense")
    entry = here.world.tick("1.20000", "1.20010")

    desk = Desk.from_settings(0, should_stop=lambda: EngineShard.objects.filter(tick_cursor=entry).exists())
    assert desk.run() == "drained"

    assert code_of(asked) == ""
    assert str(Quote.objects.get(symbol="EURUSD").bid) == "1.20000"


def test_account_when_its_rows_are_mended_and_it_is_let_go_then_it_trades_again(here: Here) -> None:
    here.ask()
    here.run()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE positions_position SET open_price_exact = 'half'")
    here.run()
    assert Account.objects.get(login=LOGIN).halt == "halt"
    refused = services.set_halt("account", str(LOGIN), "normal", caller=AT_ONCE)
    here.run()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE positions_position SET open_price_exact = '110010/1'")

    services.set_halt("account", str(LOGIN), "normal", caller=AT_ONCE)
    asked = here.ask()
    here.run()

    assert refused is not None
    assert code_of(asked) == ""
    assert Account.objects.get(login=LOGIN).halt == "normal"
    assert_clean()
