"""Lists: what they cost with many rows, how they count, what they find, and the files they give."""

import csv
import io
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, LedgerEntry
from manager.admin import base, export
from manager.admin.export import AT_ONCE, cell
from manager.tests.book import write_book
from orders.models import Order, SmartLevel, SmartOrder
from positions.models import Deal, Position

pytestmark = pytest.mark.django_db

MANY = 60
AT = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.fixture
def manager(redis_db: object, admin_client: Client) -> Client:
    """Return a superuser's browser before a small book."""
    write_book()
    return admin_client


def fill(number: int) -> None:
    """Write as many accounts, orders, positions with plans, and deals."""
    tickets = range(1000, 1000 + 10 * number, 10)
    logins = range(5000, 5000 + number)
    Account.objects.bulk_create(
        Account(login=n, group_id="retail", currency="USD", name=f"Client {n}") for n in logins
    )
    both = list(zip(tickets, logins, strict=True))
    common = {"symbol": "EURUSD", "volume": Decimal("0.10"), "digits": 5}
    Order.objects.bulk_create(
        Order(ticket=t, login=n, type="buy", status="completed", reason="client", created_at=AT, modified_at=AT, position=t, **common)
        for t, n in both
    )  # fmt: skip
    Position.objects.bulk_create(
        Position(
            ticket=t, login=n, side="buy", volume_opened="0.10", open_price="1.1", open_price_exact="110000/1", leverage=100,
            leverage_exact="100/1", margin_rate=1, margin_rate_exact="1/1", opened_at=AT, modified_at=AT, status="open",
            smart=t, **common,
        )
        for t, n in both
    )  # fmt: skip
    Deal.objects.bulk_create(
        Deal(
            ticket=t + 1, login=n, order=t, position=t, side="buy", direction="in", price="1.1", requested_price="1.1", time=AT,
            reason="client", **common,
        )
        for t, n in both
    )  # fmt: skip
    SmartOrder.objects.bulk_create(
        SmartOrder(
            id=t, login=n, side="buy", entry="market", state="ACTIVE", created_at=AT, modified_at=AT, order=t, position=t,
            entry_price="1.1", entry_price_exact="110000/1", stop_loss="1.0", remaining="0.10", **common,
        )
        for t, n in both
    )  # fmt: skip
    SmartLevel.objects.bulk_create(
        SmartLevel(smart_id=t, number=1, price="1.2", percent=50, volume="0.05", status="PENDING")
        for t in tickets
    )


def asked(client: Client, address: str) -> int:
    """Return how many statements a page costs."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    "name",
    [
        "accounts_account", "orders_order", "orders_smartorder", "positions_position", "positions_deal",
        "accounts_ledgerentry", "dealing_command", "accounts_group", "markets_symbol", "auth_user",
    ],
)  # fmt: skip
def test_list_when_rows_are_many_then_it_costs_the_same_statements(manager: Client, name: str) -> None:
    address = reverse(f"admin:{name}_changelist")
    manager.get(address)
    fill(2)
    few = asked(manager, address)
    Account.objects.filter(login__gte=5000).delete()
    for model in (SmartOrder, Order, Position):
        model.objects.filter(pk__gte=1000).delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE positions_deal DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM positions_deal WHERE ticket >= 1000")
    fill(MANY)

    many = asked(manager, address)

    assert many <= few <= 20


def test_first_page_when_accounts_are_many_then_it_costs_the_same_statements(manager: Client) -> None:
    address = reverse("admin:index")
    manager.get(address)
    few = asked(manager, address)
    fill(MANY)

    assert asked(manager, address) <= few <= 30


def test_count_when_a_filter_finds_many_then_it_is_cut_off(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "COUNTED", 20)
    fill(MANY)

    page = manager.get(reverse("admin:orders_order_changelist"), {"of": "EURUSD"})

    assert page.context["cl"].result_count == 20
    assert "20 or more" in page.content.decode()


def test_count_when_nothing_is_filtered_and_the_table_is_large_then_estimated(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(MANY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order")
    monkeypatch.setattr(base, "ESTIMATE_ABOVE", 10)
    monkeypatch.setattr(Paginator, "count", property(lambda _: pytest.fail("counted")))

    page = manager.get(reverse("admin:orders_order_changelist"))

    assert "about 68" in page.content.decode()


@pytest.mark.parametrize(
    ("name", "term", "found"),
    [
        ("orders_order", "10", {10, 20}),
        ("orders_order", "#10", {10, 20}),
        ("orders_order", "1002", {70, 80}),
        ("orders_order", "eurusd", {10, 20, 30, 41, 50, 61, 70, 80}),
        ("orders_order", "eurusd 1002", {70, 80}),
        ("orders_order", "9" * 40, set()),
        ("positions_deal", "70", {7, 8}),
        ("accounts_account", "100", {1001, 1002}),
        ("accounts_account", "1002", {1002}),
    ],
)
def test_search_when_a_number_or_a_word_is_given_then_the_rows_are_found(
    manager: Client, name: str, term: str, found: set[int]
) -> None:
    page = manager.get(reverse(f"admin:{name}_changelist"), {"q": term})

    rows = {row.pk for row in page.context["cl"].result_list}
    assert rows == found


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"), ("+49 30", "'+49 30"), ("-cmd", "'-cmd"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"),
        (" =1", "' =1"), ("\r=1", "'\r=1"), ("plain", "plain"), ("a=b", "a=b"), (Decimal("-12.50"), "-12.50"),
        (-3, -3), (True, "yes"), (None, ""), (AT, "2024-01-02 00:00:00.000"),
        ("x;=1+1", "x;'=1+1"), ("x,@a", "x,'@a"), ("x\t-1", "x\t'-1"), ("x|+1", "x|'+1"), ("x\n=1", "x\n'=1"),
        ("\uff1d1+1", "'\uff1d1+1"), ("\uff0b1", "'\uff0b1"), ("\uff0d1", "'\uff0d1"), ("\uff20a", "'\uff20a"),
        ("\u200b=1", "'\u200b=1"), ("\ufeff=1", "'\ufeff=1"), ("\u00a0=1", "'\u00a0=1"), ("\u2060\t=1", "\u2060\t'=1"),
        ("\ufe66\u200d", "'\ufe66\u200d"), ("\u22121", "'\u22121"), ('";=1', "\";'=1"), ("a;\u3164 \uff1d1", "a;'\u3164 \uff1d1"),
        ("a; b = c", "a; b = c"), ("10-20", "10-20"),
    ],
)  # fmt: skip
def test_cell_when_text_begins_as_a_formula_then_it_is_made_text(value: Any, written: Any) -> None:
    assert cell(value) == written


def lines(answer: Any) -> list[dict[str, str]]:
    """Return a file's rows by column."""
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_file_when_a_client_named_himself_a_formula_then_it_does_not_run(manager: Client) -> None:
    Account.objects.filter(login=1001).update(name='=HYPERLINK("http://evil","x")')

    rows = lines(manager.get(reverse("admin:accounts_account_csv"), {"q": "1001"}))

    assert [row["login"] for row in rows] == ["1001"]
    assert rows[0]["name"].startswith("'=")
    assert rows[0]["balance"] == "10047.70"


def test_file_when_the_list_is_filtered_then_it_holds_the_same_rows_and_losses_stay_numbers(
    manager: Client,
) -> None:
    answer = manager.get(reverse("admin:accounts_ledgerentry_csv"), {"kind__exact": "profit"})

    rows = lines(answer)
    assert len(rows) == LedgerEntry.objects.filter(kind="profit").count() == 3
    assert [row["amount"] for row in rows] == ["50.00", "-50.00", "50.00"]
    assert 'filename="ledger-' in answer["Content-Disposition"]


def test_file_when_the_filter_does_not_exist_then_the_list_says_so(manager: Client) -> None:
    answer = manager.get(reverse("admin:orders_order_csv"), {"nonsense__exact": "1"}, follow=True)

    assert "names a filter that does not exist" in answer.content.decode()


def test_file_when_a_comment_hides_a_formula_behind_a_separator_then_every_text_is_quoted_and_plain(
    manager: Client,
) -> None:
    Account.objects.filter(login=1001).update(name="x;=1+1")

    text = manager.get(reverse("admin:accounts_account_csv"), {"q": "1001"}).getvalue().decode("utf-8-sig")

    assert '"x;\'=1+1"' in text
    row = text.splitlines()[1]
    assert row.startswith("1001,") and ',"retail",' in row and ",10047.70," in row


def test_file_when_rows_are_many_then_they_come_in_pieces_from_a_cursor_of_the_server(
    manager: Client,
) -> None:
    fill(1_000)

    with CaptureQueriesContext(connection):
        answer = manager.get(reverse("admin:accounts_account_csv"))
        pieces = list(answer.streaming_content)

    assert answer.streaming
    assert len(pieces) == 1 + 1_002 // 200
    assert sum(piece.count(b"\n") for piece in pieces) == 1_003
    assert len(max(pieces, key=len)) < 40_000
    answer.close()


def test_files_when_as_many_as_may_be_are_made_then_the_next_is_told_to_wait_and_an_ended_one_makes_room(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = reverse("admin:orders_order_csv")
    monkeypatch.setattr(export, "_making", threading.BoundedSemaphore(1))
    last = manager.get(address)
    pieces = iter(last.streaming_content)
    next(pieces)

    told = manager.get(address, follow=True).content.decode()
    assert list(pieces) == []

    assert f"{AT_ONCE} files are being made already" in told
    assert [row["ticket"] for row in lines(manager.get(address))][:2] == ["80", "70"]


def test_time_filter_when_today_is_chosen_then_older_rows_are_left_out(manager: Client) -> None:
    Order.objects.filter(ticket=10).update(created_at=timezone.now())
    Order.objects.filter(ticket=20).update(created_at=timezone.now() - timedelta(days=3))

    def found(since: str) -> set[int]:
        page = manager.get(reverse("admin:orders_order_changelist"), {"since": since})
        return {row.pk for row in page.context["cl"].result_list}

    assert (found("today"), found("week")) == ({10}, {10, 20})


PAGES = [page for page in site._registry.values() if isinstance(page, base.DeskAdmin)]
HOWS = (
    "regex",
    "iregex",
    "icontains",
    "gt",
    "in",
    "range",
    "year",
    "has_key",
    "contains",
    "x",
    "lt__gt",
    "gt__exact",
)


def test_list_when_an_address_compares_as_no_filter_does_then_that_is_no_filter(
    manager: Client, rf: RequestFactory
) -> None:
    request = rf.get("/")
    request.user = User.objects.get(username="admin")
    for page in PAGES:
        for column in page.model._meta.concrete_fields:
            assert not [how for how in HOWS if page.lookup_allowed(f"{column.name}__{how}", "(", request)]

    for kind in ("changelist", "csv"):
        for query in ({"name__regex": "("}, {"login__range": "1"}, {"name__regex": "(a+)+$"}):
            answer = manager.get(reverse(f"admin:accounts_account_{kind}"), query)
            assert answer.status_code == 400, query
        # What the list's own filters ask stays allowed.
        for asked in ({"group__name__exact": "retail"}, {"tier__isnull": "False"}, {"enabled__exact": "1"}):
            assert manager.get(reverse(f"admin:accounts_account_{kind}"), asked).status_code == 200, asked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.model_name)
def test_list_when_a_filter_asks_for_what_no_column_holds_then_it_is_no_fault(
    manager: Client, page: base.DeskAdmin
) -> None:
    kinds = {type(column): column.name for column in page.model._meta.concrete_fields}
    where = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")

    for column in kinds.values():
        for value in ("(", "9" * 20, "0001-01-01T00:00:00+23:59"):
            assert manager.get(where, {column: value}).status_code in (200, 302, 400), (column, value)
