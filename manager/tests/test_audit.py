"""The audit is silent about a clean book and finds every kind of row that was tampered with."""

import json
import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from manager import audit
from manager.tests.book import AT, write_book

pytestmark = pytest.mark.django_db


@pytest.fixture
def book() -> None:
    """Write the clean book."""
    write_book()


def tamper(*statements: str) -> None:
    """Change rows as nobody may: past triggers and constraints."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        for table in ("orders_order", "positions_position", "orders_smartorder", "orders_smartlevel"):
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [table]
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount == 1, statement
        cursor.execute("SET session_replication_role = DEFAULT")


def found() -> set[str]:
    """Return the checks that found something."""
    return {difference.check for difference in audit.run().differences}


def test_clean_book_has_no_difference(book: None) -> None:
    report = audit.run()

    assert [str(difference) for difference in report.differences] == []
    assert report.counts["deals"] == 8


def test_empty_book_has_no_difference(db: None) -> None:
    assert audit.run().is_clean


@pytest.mark.parametrize(
    ("check", "sql"),
    [
        ("balance", "UPDATE accounts_account SET balance = balance + 0.01 WHERE login = 1001"),
        ("balance", "UPDATE accounts_account SET credit = 5 WHERE login = 1002"),
        ("balance", "UPDATE accounts_ledgerentry SET amount = amount + 1 WHERE login = 1002"),
        ("ledger owner", "UPDATE accounts_ledgerentry SET login = 77 WHERE login = 1002"),
        ("ledger sequence", "DELETE FROM accounts_ledgerentry WHERE login = 1001 AND seq = 3"),
        ("ledger sequence", "UPDATE accounts_account SET ledger_seq = 9 WHERE login = 1001"),
        ("ledger chain", "UPDATE accounts_ledgerentry SET balance_after = 1 WHERE login = 1001 AND seq = 3"),
        ("ledger chain", "UPDATE accounts_ledgerentry SET credit_after = 1 WHERE login = 1001 AND seq = 3"),
        ("deal money", "DELETE FROM accounts_ledgerentry WHERE deal = 4 AND kind = 'swap'"),
        ("deal money", "UPDATE positions_deal SET fees = fees - 1 WHERE ticket = 2"),
        ("deal money", "UPDATE accounts_ledgerentry SET deal = 3 WHERE deal = 4 AND kind = 'profit'"),
        (
            "deal money",
            "INSERT INTO accounts_ledgerentry (login, seq, kind, amount, balance_after, credit_after, time,"
            " deal, comment, actor) SELECT login, 7, kind, amount, balance_after, credit_after, time, deal,"
            " comment, actor FROM accounts_ledgerentry WHERE deal = 6",
        ),
        (
            "agent commission",
            "INSERT INTO accounts_ledgerentry (login, seq, kind, amount, balance_after, credit_after, time,"
            " deal, comment, actor) SELECT login, 7, 'agent_commission', 1, 1, 0, time, 999, '', ''"
            " FROM accounts_ledgerentry WHERE deal = 6",
        ),
        ("position money", "UPDATE positions_position SET profit = 1 WHERE ticket = 10"),
        ("position money", "UPDATE positions_position SET fees = -1 WHERE ticket = 30"),
        ("position money", "UPDATE positions_position SET swap_booked = 0 WHERE ticket = 30"),
        ("decimals of money", "UPDATE positions_position SET swap = 0.001 WHERE ticket = 10"),
        ("position volume", "UPDATE positions_position SET volume = 0.7 WHERE ticket = 10"),
        ("position volume", "UPDATE positions_position SET status = 'closed' WHERE ticket = 10"),
        ("position volume", "UPDATE positions_position SET volume_opened = 5 WHERE ticket = 70"),
        ("position volume", "DELETE FROM positions_deal WHERE ticket = 2"),
        ("deal of its position", "UPDATE positions_deal SET side = 'buy' WHERE ticket = 2"),
        ("deal of its position", "UPDATE positions_deal SET login = 1002 WHERE ticket = 2"),
        ("deal of its position", "UPDATE positions_deal SET symbol = 'USDJPY' WHERE ticket = 1"),
        ("deal of its position", "DELETE FROM positions_position WHERE ticket = 30"),
        ("deal of its position", "DELETE FROM orders_order WHERE ticket = 41"),
        ("order volume", "UPDATE orders_order SET volume = 0.4 WHERE ticket = 20"),
        ("order life", "UPDATE orders_order SET status = 'canceled' WHERE ticket = 20"),
        ("order queue", "UPDATE orders_order SET request = 5 WHERE ticket = 20"),
        ("netting", "UPDATE accounts_account SET group_id = 'netting' WHERE login = 1001"),
        ("symbol", "DELETE FROM markets_symbol WHERE name = 'EURUSD'"),
        ("deal profit", "UPDATE positions_deal SET profit = profit + 0.01 WHERE ticket = 2"),
        ("deal profit", "UPDATE positions_deal SET price = price + 0.00001 WHERE ticket = 4"),
        ("deal profit", "UPDATE positions_deal SET profit_rate_exact = '2/1' WHERE ticket = 4"),
        ("printed price", "UPDATE positions_position SET open_price = 1.2 WHERE ticket = 30"),
        ("printed price", "UPDATE positions_deal SET open_price = 1.2 WHERE ticket = 2"),
        ("open price", "UPDATE positions_position SET open_price_exact = '110001/1' WHERE ticket = 10"),
        ("open price of a deal", "UPDATE positions_deal SET open_price_exact = '110001/1' WHERE ticket = 4"),
        ("average price", "UPDATE positions_position SET open_price_exact = '110033/1' WHERE ticket = 70"),
        ("filled level", "UPDATE orders_smartlevel SET deal = 99 WHERE number = 1"),
        ("filled level", "UPDATE orders_smartlevel SET volume = 0.3 WHERE number = 1"),
        ("filled level", "UPDATE orders_smartlevel SET deal = 2 WHERE number = 1"),
        ("level deal once", "UPDATE orders_smartlevel SET status = 'FILLED', deal = 6 WHERE number = 2"),
        ("ended plan", "UPDATE orders_smartorder SET state = 'CANCELLED'"),
        ("plan state", "UPDATE orders_smartorder SET state = 'ACTIVE'"),
        ("plan state", "UPDATE orders_smartlevel SET status = 'CANCELLED' WHERE number = 1"),
        ("plan state", "UPDATE orders_smartlevel SET volume = 5 WHERE number = 2"),
        ("plan position", "UPDATE orders_smartorder SET remaining = 0.5"),
        ("plan position", "UPDATE positions_position SET smart = 8 WHERE ticket = 50"),
        ("plan position", "UPDATE positions_position SET smart = 7 WHERE ticket = 10"),
        ("plan volume", "UPDATE positions_deal SET volume = 0.5 WHERE ticket = 6"),
        ("plan version", "UPDATE orders_smartorder SET version = 1"),
        ("trailing mark", "UPDATE orders_smartorder SET callback = 1"),
        ("evidence", "UPDATE positions_deal SET evidence = NULL WHERE ticket = 4"),
        ("deal time", "UPDATE positions_deal SET time = time - interval '1 day' WHERE ticket = 4"),
        ("closed position time", "UPDATE positions_deal SET time = time + interval '1 day' WHERE ticket = 4"),
        ("acknowledged order", "DELETE FROM orders_order WHERE ticket = 10"),
        ("acknowledged smart order", "UPDATE dealing_command SET smart = 8 WHERE name = 'PlaceSmart'"),
        ("balance operations", "UPDATE accounts_ledgerentry SET kind = 'bonus' WHERE login = 1002"),
        ("batch order", "DELETE FROM dealing_enginebatch WHERE seq = 2"),
        ("batch order", "UPDATE dealing_enginebatch SET epoch = 9 WHERE seq = 2"),
        ("batch order", "UPDATE dealing_engineshard SET seq = 4"),
    ],
)
def test_tampered_row_is_found(book: None, check: str, sql: str) -> None:
    tamper(sql)

    assert check in found()


def test_every_check_is_seen_to_find_something() -> None:
    marks = test_tampered_row_is_found.pytestmark
    tried = {check for mark in marks if mark.name == "parametrize" for check, _ in mark.args[1]}

    assert tried == {*audit.report.QUERIES, "average price", "batch order"}


def shown(**changes: Any) -> dict[int, dict[str, Any]]:
    """Return what a desk shows of account 1001: 1.25 lots bought at 1.1, leverage 100."""
    state = {"margin": "1375.00", "equity": "10044.20", "time_ms": AT}
    return {1001: state | changes}


def test_margin_shown_by_the_desk_is_recomputed(book: None) -> None:
    report = audit.run(shown())

    assert (report.margins_compared, report.is_clean) == (1, True)


@pytest.mark.parametrize("figure", ["margin"])
def test_margin_shown_wrong_is_found(book: None, figure: str) -> None:
    differences = audit.run(shown(**{figure: "1.00"})).differences

    assert [(d.check, d.what) for d in differences] == [("margin", figure)]


def test_equity_shown_wrong_is_found(book: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO markets_quote (symbol, bid, ask, time, seq, deviating, refusals, digits)"
            " VALUES ('EURUSD', 1.10000, 1.10010, to_timestamp(1), 1, 0, 0, 5)"
        )

    # 10,047.70 and fees of 3.50 not yet booked; the bid is the open price.
    assert audit.run(shown()).is_clean
    assert [d.what for d in audit.run(shown(equity="10044.21")).differences] == ["equity"]


def test_margin_shown_before_the_last_change_is_not_compared(book: None) -> None:
    assert audit.run(shown(time_ms=AT - 1, margin="1.00")).margins_compared == 0


def test_figures_of_a_time_to_come_are_not_compared(book: None) -> None:
    ahead = 1000 * int(time.time()) + 50_000
    assert audit.run(shown(time_ms=ahead, equity="1.00")).margins_compared == 0


def test_command_when_clean_says_so_and_leaves_with_0(book: None, redis_db: object) -> None:
    out = StringIO()
    call_command("audit", stdout=out)

    assert "audit: clean" in out.getvalue()
    assert "8 deals" in out.getvalue()


def test_command_when_not_clean_prints_each_difference_and_leaves_with_1(
    book: None, redis_db: object
) -> None:
    tamper("UPDATE accounts_account SET balance = balance + 1 WHERE login = 1001")
    out, as_json = StringIO(), StringIO()

    with pytest.raises(SystemExit) as left:
        call_command("audit", stdout=out)
    with pytest.raises(SystemExit):
        call_command("audit", "--json", stdout=as_json)

    assert left.value.code == 1
    assert (
        out.getvalue().splitlines()[0] == "balance: account 1001: balance expected 10047.70, found 10048.70"
    )
    assert json.loads(as_json.getvalue())["differences"][0]["subject"] == "account 1001"
