"""The dealer's requote: its price proposed, its bound told, sent twice asked once, and what the client did."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.models import Group
from dealing import bus, services
from dealing.models import Command
from manager.admin import requotes
from manager.admin.queue import bounds
from manager.tests.book import write_book
from orders.models import DealerRequest, Order, RequoteOffer

pytestmark = pytest.mark.django_db

QUEUE = "/admin/orders/dealerrequest/"


@pytest.fixture
def boss(redis_db: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return a superuser's browser before a request of account 1001, with a quote."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)
    write_book()
    redis_db.hset(bus.QUOTES, "EURUSD", '["1.10000", "1.10010", 1700000000000]')
    DealerRequest.objects.create(
        id=11, kind="market", login=1001, symbol="EURUSD", side="buy", volume="1", price="1.10010", order=90,
        created_at=timezone.now(), is_open=True, digits=5,
    )  # fmt: skip
    return admin_client


def requoted(*, offer_s: int | None) -> Order:
    """Return an order that failed with a price, and its offer of so many seconds (None: none)."""
    now = timezone.now()
    order = Order.objects.create(
        ticket=90, login=1001, symbol="EURUSD", type="buy", volume="1", status="failed", error="requote", reason="client",
        created_at=now, modified_at=now, requote_price="1.10050", expected_price="1.10010", deviation=3,
    )  # fmt: skip
    if offer_s is not None:
        RequoteOffer.objects.create(
            order=90, login=1001, symbol="EURUSD", price="1.10050", name="PlaceOrder", terms={},
            expires_at=now + timedelta(seconds=offer_s),
        )  # fmt: skip
    return order


@pytest.mark.parametrize(
    ("side", "points", "proposed", "between"),
    [
        ("buy", None, "1.10010", "Between 1.08910 and 1.11110"),
        ("sell", None, "1.10000", "Between 1.08900 and 1.11100"),
        ("buy", 25, "1.10010", "Between 1.09985 and 1.10035"),
        ("buy", 0, "1.10010", "Between 1.10010 and 1.10010"),
    ],
)
def test_requote_when_opened_then_the_market_s_price_is_proposed_with_its_bound(
    boss: Client, side: str, points: int | None, proposed: str, between: str
) -> None:
    DealerRequest.objects.update(side=side)
    Group.objects.filter(name="retail").update(price_bound_points=points)

    page = boss.get(f"{QUEUE}11/requote/")

    assert page.context["form"]["price"].value() == proposed
    assert between in page.content.decode()
    assert between in boss.get(f"{QUEUE}11/confirm/").content.decode()


@pytest.mark.parametrize(("price", "points", "low", "high"), [
    ("-37.63", None, "-38.00", "-37.26"), ("0.00", None, "0.00", "0.00"), ("0.99", None, "0.99", "0.99"), ("100.00", 5, "99.95", "100.05"),
])  # fmt: skip
def test_bounds_when_of_a_market_then_whole_points(
    price: str, points: int | None, low: str, high: str
) -> None:
    assert bounds(Decimal(price), 2, points) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    ("word", "sent"),
    [("requote", {"price": "1.1005"}), ("confirm", {"price": "1.1"}), ("reject", {}), ("take", {})],
)
def test_answer_when_sent_twice_then_asked_once(boss: Client, word: str, sent: dict[str, str]) -> None:
    key = boss.get(f"{QUEUE}11/{word}/").context["key"]

    for _ in range(2):
        assert boss.post(f"{QUEUE}11/{word}/", {**sent, "key": key}).status_code == 302

    assert Command.objects.filter(name__in=("AnswerRequest", "TakeRequest")).count() == 1


def test_requote_when_without_a_price_or_refused_then_the_page_says_so(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = boss.post(f"{QUEUE}11/requote/", {"price": ""})
    assert empty.context["form"].errors == {"price": ["This field is required."]}
    assert not Command.objects.filter(name="AnswerRequest").exists()

    said = "9 is farther than 1 % of it from the market, which is at 1.10010"
    refused = services.Outcome(services.REFUSED, "invalid_price", said)
    monkeypatch.setattr(services, "answer_request", lambda *_, **__: refused)
    answer = boss.post(f"{QUEUE}11/requote/", {"price": "9"})
    assert f"{said} (invalid_price)" in answer.content.decode()
    assert answer.context["form"]["price"].value() == "9"


@pytest.mark.parametrize(
    ("offer_s", "accept", "said"),
    [
        (60, None, "waits for the client"),
        (-1, None, "ran out, the client did nothing"),
        (None, None, "not accepted"),
        (None, {"status": "done", "ticket": 10}, "order 10"),
        (None, {"status": "done", "ticket": 12345, "code": "requote"}, "accepted, refused (requote)"),
        (60, {"status": "pending", "ticket": 10}, "accepted, being executed"),
    ],
)
def test_requote_when_made_then_queue_order_and_request_say_what_the_client_did(
    boss: Client, offer_s: int | None, accept: dict[str, Any] | None, said: str
) -> None:
    requoted(offer_s=offer_s)
    DealerRequest.objects.update(is_open=False, outcome="requote", dealer="dora")
    if accept is not None:
        done = timezone.now() if accept["status"] == "done" else None
        Command.objects.create(
            shard=0,
            login=1001,
            name="AcceptRequote",
            payload={"login": 1001, "order": 90},
            done_at=done,
            **accept,
        )

    for page in (QUEUE, "/admin/orders/order/90/change/", f"{QUEUE}11/change/"):
        text = boss.get(page).content.decode()
        assert said in text, page
        assert "1.10050" in text, page
    assert ("data-left=" in boss.get(QUEUE).content.decode()) is (said == "waits for the client")


def test_requotes_when_of_another_account_then_nobody_else_s_fate(boss: Client) -> None:
    order = requoted(offer_s=60)
    Command.objects.create(
        shard=0, login=1002, name="AcceptRequote", payload={"login": 1002, "order": 90}, ticket=10
    )

    assert requotes.fates([order])[90].accepted is None


@pytest.mark.parametrize(("expected", "shown"), [("1.10010", "1.10010"), (None, "1.10040")])
def test_requotes_when_listed_then_beside_the_offer_stands_the_price_that_the_client_wanted(
    boss: Client, expected: str | None, shown: str
) -> None:
    requoted(offer_s=60)
    Order.objects.update(expected_price=expected, requested_price="1.10040")

    panel = requotes.section(User.objects.get(username="admin"))

    assert panel is not None
    assert [price for price in ("1.10010", "1.10040") if price in str(panel.body)] == [shown]


def test_order_when_requoted_then_expectation_deviation_and_price_stand_on_its_page(boss: Client) -> None:
    requoted(offer_s=60)

    text = boss.get("/admin/orders/order/90/change/").content.decode()
    for words in ("Expected by its sender", "1.10010", "3 points", "Requoted at", "1.10050"):
        assert words in text, words
    assert "requote at 1.10050" in boss.get("/admin/orders/order/").content.decode()


def test_pending_order_when_looked_at_then_its_side_s_price_of_now(boss: Client) -> None:
    now = timezone.now()
    for ticket, kind in ((91, "buy_limit"), (92, "sell_limit")):
        Order.objects.create(
            ticket=ticket, login=1001, symbol="EURUSD", type=kind, volume="1", status="pending", reason="client",
            created_at=now, modified_at=now, price="1.05000",
        )  # fmt: skip

    assert "1.10010" in boss.get("/admin/orders/order/91/change/").content.decode()
    assert "1.10000" in boss.get("/admin/orders/order/92/change/").content.decode()
    listed = boss.get("/admin/orders/order/?status__exact=pending").content.decode()
    assert "1.10010" in listed and "1.10000" in listed
