"""Accounts, groups and the ledger come back from their rows as they went in."""

from dataclasses import fields
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import UniqueViolation

from accounts import models, setup, store
from engine.enums import LedgerKind
from engine.records import Account, LedgerEntry
from engine.settings import Group, SettingError, currency_digits
from engine.state import State

pytestmark = pytest.mark.django_db

BIG = 10**15
texts = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=30)
optional_tickets = st.just(0) | st.integers(1, 2**53)
accounts = st.builds(
    Account,
    login=st.just(1001),
    group=st.just("retail"),
    currency=st.sampled_from(["USD", "JPY", "BTC"]),
    balance=st.integers(-BIG, BIG),
    credit=st.integers(0, BIG),
    leverage=st.integers(0, 5000),
    tier=st.sampled_from(["FREE", "PRO", "ENTERPRISE"]),
    agent=optional_tickets,
    enabled=st.booleans(),
    read_only=st.booleans(),
    close_only=st.booleans(),
    halt=st.sampled_from(["normal", "no_new_positions", "close_only", "halt"]),
    margin_call=st.booleans(),
    ledger_seq=st.integers(0, 2**53),
    event_seq=st.integers(0, 2**53),
)
entries = st.builds(
    LedgerEntry,
    login=st.just(1001),
    seq=st.integers(1, 2**53),
    kind=st.sampled_from(LedgerKind),
    amount=st.integers(-BIG, BIG),
    balance_after=st.integers(-BIG, BIG),
    credit_after=st.integers(0, BIG),
    time_ms=st.integers(1, 4_000_000_000_000),
    order=optional_tickets,
    deal=optional_tickets,
    comment=texts,
    actor=texts,
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def retail() -> None:
    """Make a group with one account."""
    setup.put_groups([{"name": "retail"}])
    setup.put_accounts([{"login": 1001, "group": "retail"}])


def stored(*accounts: Account, ledger: tuple[LedgerEntry, ...] = ()) -> None:
    """Write records."""
    with connection.cursor() as cursor:
        store.record(
            cursor,
            SimpleNamespace(
                accounts={a.login: a for a in accounts},
                ledger=list(ledger),
                account_days=[],
                settings_written_here=list,
            ),
        )


def loaded(shard: int = 0, shards: int = 1) -> State:
    """Return what a desk of that shard reads."""
    state = State()
    with connection.cursor() as cursor:
        store.load(cursor, state, shard=shard, shards=shards)
    return state


@quick
@given(account=accounts)
def test_account_when_stored_comes_back_equal(retail: None, account: Account) -> None:
    with transaction.atomic():
        stored(account)

        assert loaded().accounts == {1001: account}
        transaction.set_rollback(True)


@quick
@given(entry=entries, account=accounts)
def test_ledger_entry_when_stored_is_a_row_with_its_numbers(
    retail: None, entry: LedgerEntry, account: Account
) -> None:
    with transaction.atomic():
        stored(account, ledger=(entry,))
        row = models.LedgerEntry.objects.get()

        read = LedgerEntry(
            row.login,
            row.seq,
            LedgerKind(row.kind),
            store.units_of(row.amount, currency_digits(account.currency)),
            store.units_of(row.balance_after, currency_digits(account.currency)),
            store.units_of(row.credit_after, currency_digits(account.currency)),
            round(row.time.timestamp() * 1000),
            row.order or 0,
            row.deal or 0,
            row.comment,
            row.actor,
        )
        assert read == entry
        transaction.set_rollback(True)


def test_account_without_a_row_stops_the_batch(retail: None) -> None:
    with pytest.raises(LookupError, match="1 rows to change, 0 found"):
        stored(Account(9999, "retail", "USD"))


def test_account_of_another_shard_is_not_loaded(retail: None) -> None:
    assert list(loaded(1, 2).accounts) == [1001]
    assert loaded(0, 2).accounts == {}


@pytest.mark.parametrize(
    "sql", ["UPDATE accounts_ledgerentry SET amount = 1", "DELETE FROM accounts_ledgerentry"]
)
def test_ledger_when_written_can_neither_change_nor_go(retail: None, sql: str) -> None:
    stored(ledger=(LedgerEntry(1001, 1, LedgerKind.DEPOSIT, 5000, 5000, 0, 1000),))

    with pytest.raises(IntegrityError, match="facts"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_ledger_number_when_used_twice_is_refused(retail: None) -> None:
    entry = LedgerEntry(1001, 1, LedgerKind.DEPOSIT, 5000, 5000, 0, 1000)

    with pytest.raises(UniqueViolation), transaction.atomic():
        stored(ledger=(entry, entry))


def test_group_when_stored_means_what_its_file_says() -> None:
    values = {
        "name": "pro", "currency": "USD", "margin_mode": "netting", "leverage": 500, "stop_out": "20.5",
        "execution": "manual_unless_no_dealers", "commission": {"kind": "per_lot", "amount": "7"},
        "securities": {
            "metals": {"execution": "manual", "spread_diff": 3},
            "crypto": {"commission": None, "agent_commission": {"kind": "percent", "amount": "0.05"}},
        },
    }  # fmt: skip
    row = setup.put_groups([values])[0]

    assert loaded().groups["pro"] == Group.from_values(values)
    row.refresh_from_db()
    assert row.to_engine() == Group.from_values(values)


def test_group_that_the_engine_cannot_take_is_not_stored() -> None:
    with pytest.raises(SettingError, match="leverage"):
        setup.put_groups([{"name": "bad", "leverage": 0}])

    assert not models.Group.objects.exists()


@pytest.mark.parametrize(("record", "table"), [(Account, store.ACCOUNTS), (LedgerEntry, store.LEDGER)])
def test_every_field_of_a_record_has_its_column(record: type, table: store.Table) -> None:
    renamed = {{"time": "time_ms", "group_id": "group"}.get(name, name) for name in table.columns}

    assert renamed == {f.name for f in fields(record)}


def test_account_whose_money_is_not_its_last_entrys_is_named(retail: None) -> None:
    with connection.cursor() as cursor:
        entry = LedgerEntry(1001, 1, LedgerKind.DEPOSIT, 5000, 5000, 0, 1000)
        stored(Account(1001, "retail", "USD", balance=5000, ledger_seq=1), ledger=(entry,))
        assert store.disagreements(cursor, 0, 1) == {}

        models.Account.objects.update(balance="51.00")

        assert list(store.disagreements(cursor, 0, 1)) == [1001]
        assert store.disagreements(cursor, 0, 2) == {}


def test_settings_of_rows_are_read_by_key(retail: None) -> None:
    assert store.group_values("retail")["name"] == "retail"
    assert store.account_values("1001")["group"] == "retail"
    for missing in (store.group_values, store.account_values):
        with pytest.raises(LookupError):
            missing("nobody")
