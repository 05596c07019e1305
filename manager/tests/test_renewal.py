"""Pages that renew themselves: what travels is what changed, put together it is the page."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from manager.renewal import parts_of
from manager.tests.book import write_book

pytestmark = pytest.mark.django_db


def renewed(client: Client, address: str, known: str = "") -> Any:
    """Return what a page is told that renews itself."""
    return client.get(address, headers={"X-Renew": "1", "X-Known": known}).json()


def test_list_when_nothing_changed_then_only_marks_are_sent_and_of_one_changed_row_the_row(
    redis_db: object, admin_client: Client
) -> None:
    write_book()
    address = reverse("admin:accounts_account_changelist")
    page = admin_client.get(address).content.decode()

    first = renewed(admin_client, address)["parts"]["rows"]
    known = ".".join(mark for mark, _ in first)
    quiet = renewed(admin_client, address, known)["parts"]["rows"]
    Account.objects.filter(login=1002).update(balance=Decimal("777.77"))
    changed = renewed(admin_client, address, known)["parts"]["rows"]

    assert (
        "".join(text for _, text in first)
        == re.search(r"<!--live:rows-->(.*?)<!--/live:rows-->", page, re.S)[1]
    )
    assert quiet == [[mark, None] for mark, _ in first]
    news = [text for _, text in changed if text is not None]
    assert len(news) == 1 and "777.77" in news[0] and "1001" not in news[0]


@pytest.mark.parametrize(
    ("name", "key", "part"), [("index", None, "overview"), ("orders_order_change", 10, "record")]
)
def test_page_when_renewed_then_its_part_comes_in_pieces_without_messages(
    redis_db: object, admin_client: Client, name: str, key: Any, part: str
) -> None:
    write_book()
    told = renewed(admin_client, reverse(f"admin:{name}", args=[key] if key else []))

    assert len(told["parts"][part]) > 2
    assert told["title"]


def test_renewal_when_refused_or_logged_out_then_told_as_that_and_not_as_pieces(
    redis_db: object, client: Client, django_user_model: Any
) -> None:
    address = reverse("admin:accounts_account_changelist")
    assert client.get(address, headers={"X-Renew": "1"}).status_code == 302

    client.force_login(django_user_model.objects.create_user("dora", is_staff=True))
    assert client.get(address, headers={"X-Renew": "1"}).status_code == 403


def test_parts_when_two_pieces_are_equal_then_the_second_is_named_by_its_mark() -> None:
    parts = parts_of("<!--live:rows--><p></p><tbody>a</tbody><tbody>a</tbody><!--/live:rows-->", set())

    assert [text for _, text in parts["rows"]] == ["<p></p>", "<tbody>a</tbody>", None]
