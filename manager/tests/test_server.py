"""The server's page, day ends of accounts, and changes of sessions: what they say, and what they refuse."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AccountDay
from dealing.models import Command, EngineShard, SettingsChange
from manager import clocks
from manager.tests.book import write_book
from manager.tests.test_admin import form_of
from markets.models import Server, Symbol
from orders.models import Order

pytestmark = pytest.mark.django_db

PAGE = "/admin/markets/server/1/change/"
#: Monday 2026-03-09 12:00 UTC: a day after New York has gone to summer time.
NOW = int(datetime(2026, 3, 9, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def boss(redis_db: object, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return a superuser's browser before a small book; nobody waits for a desk that does not run."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)
    monkeypatch.setattr(clocks, "now_ms", lambda: NOW)
    write_book()
    return admin_client


def proposed(boss: Client, **values: str) -> Any:
    return boss.post(PAGE, form_of(boss.get(PAGE)) | values)


def test_server_when_a_day_end_is_proposed_then_told_first_and_asked_once_with_what_was_seen(
    boss: Client,
) -> None:
    told = proposed(boss, day_end="17:00", time_zone="America/New_York")

    text = told.content.decode()
    assert (
        "The next day end goes from Tue 2026-03-10 00:00 UTC (Tue 2026-03-10 00:00 UTC) to "
        "Mon 2026-03-09 17:00 America/New_York (Mon 2026-03-09 21:00 UTC)." in text
    )
    assert "3 open positions get their swap and 0 day orders expire" in text
    assert not Command.objects.filter(name="ChangeSettings").exists()

    sent = {"proposal": told.context["proposal"], "confirmed": "yes"}
    for _ in range(2):  # a double click
        boss.post(told.context["action"], sent)

    row = Command.objects.get(name="ChangeSettings")
    assert {key: row.payload[key] for key in ("kind", "values", "seen")} == {
        "kind": "server",
        "values": {"day_end": "17:00", "time_zone": "America/New_York"},
        "seen": {"day_end": "00:00", "time_zone": "UTC"},
    }
    assert Server.objects.values_list("day_end", "time_zone").get() == ("00:00", "UTC")  # the desk writes it


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"day_end": "25:00"}, "day_end", "25:00 is not a time of day"),
        ({"day_end": "24:00"}, "day_end", "24:00 is 00:00 of the next day"),
        ({"day_end": "5pm"}, "day_end", "HH:MM is needed, not '5pm'"),
        ({"day_end": ""}, "day_end", "This field is required."),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "'Mars/Olympus' is no time zone, such as Europe/Berlin or America/New_York"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "'../etc/passwd' is no time zone, such as Europe/Berlin or America/New_York"),
    ],
)  # fmt: skip
def test_server_when_a_value_is_bad_then_a_sentence_at_its_field_and_nothing_asked(
    boss: Client, values: dict[str, str], field: str, sentence: str
) -> None:
    answer = proposed(boss, **values)

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors[field] == [sentence]
    assert not Command.objects.filter(name="ChangeSettings").exists()


def test_server_when_changed_by_somebody_else_meanwhile_then_nothing_is_saved(boss: Client) -> None:
    opened = form_of(boss.get(PAGE))
    Server.objects.update(day_end="22:00")

    answer = boss.post(PAGE, opened | {"day_end": "17:00"})

    text = answer.content.decode()
    assert "Nothing was saved" in text
    for value in ("17:00", "22:00", "00:00"):
        assert f">{value}<" in text
    assert not Command.objects.filter(name="ChangeSettings").exists()


def test_server_when_a_change_is_put_back_then_it_is_proposed(boss: Client) -> None:
    Server.objects.create(pk=1, day_end="17:00")
    line = SettingsChange.objects.create(
        kind="server", key="1", actor="ann", before={"day_end": "00:00"}, after={"day_end": "17:00"}
    )
    assert "Trading day ends at: 00:00 → 17:00" in boss.get(PAGE).content.decode()

    told = boss.post(reverse("admin:markets_server_put_back", args=[1]), {"change": line.pk})

    assert "The next day end goes from Mon 2026-03-09 17:00 UTC" in told.content.decode()


def test_server_page_when_the_viewer_has_told_their_zone_then_three_clocks(boss: Client) -> None:
    Server.objects.create(pk=1, day_end="17:00", time_zone="America/New_York")
    boss.cookies[clocks.COOKIE] = "Asia%2FKolkata"

    text = boss.get(PAGE).content.decode()

    # The day end after the change to summer time is an hour earlier by UTC.
    for words in (
        "America/New_York",
        "Mon 2026-03-09 17:00",
        "Mon 2026-03-09 21:00",
        "Asia/Kolkata",
        "Tue 2026-03-10 02:30",
    ):
        assert words in text, words


@pytest.mark.parametrize("cookie", ["", "Mars", "..", "%00", "a" * 5000])
def test_server_page_when_the_cookie_is_nonsense_then_two_clocks(boss: Client, cookie: str) -> None:
    boss.cookies[clocks.COOKIE] = cookie

    text = boss.get(PAGE).content.decode()

    assert "Server&#x27;s time (UTC)" in text
    assert "Your time" not in text


def test_server_page_when_the_desk_waits_for_a_moment_then_that_one_is_shown_and_told_when_overdue(
    boss: Client,
) -> None:
    EngineShard.objects.update(day_end_ms=NOW + 7_500_000)
    text = boss.get(PAGE).content.decode()
    assert "Mon 2026-03-09 14:05" in text and "2 h 05 min" in text

    EngineShard.objects.update(day_end_ms=NOW - 60_000)
    assert "Overdue" in boss.get(PAGE).content.decode()


def test_sessions_when_some_markets_close_then_the_next_change_stands_on_both_pages(boss: Client) -> None:
    week = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    Symbol.objects.filter(name="EURUSD").update(sessions={**week, "time_zone": "America/New_York"})

    # 12:00 UTC is 08:00 in New York.
    for page in (PAGE, "/admin/markets/symbol/EURUSD/change/"):
        text = boss.get(page).content.decode()
        assert "closed, opens" in text, page
        assert "Mon 2026-03-09 13:00" in text, page
    listed = boss.get("/admin/markets/symbol/").content.decode()
    assert "Mon 13:00" in listed and "always open" in listed


def test_clocks_when_a_market_never_changes_then_no_moment() -> None:
    symbol = Symbol(
        name="X", base_currency="EUR", profit_currency="USD", margin_currency="EUR", security_id="default"
    )
    assert clocks.change_of(symbol, "UTC", NOW) == (True, None)
    symbol.sessions = {}
    assert clocks.change_of(symbol, "UTC", NOW) == (False, None)


def test_clocks_when_a_change_has_come_then_the_next_is_computed() -> None:
    symbol = Symbol(
        name="X", base_currency="EUR", profit_currency="USD", margin_currency="EUR", security_id="default",
        sessions={"mon": [["12:00", "13:00"]]},
    )  # fmt: skip
    hour = 3_600_000

    assert clocks.change_of(symbol, "UTC", NOW) == (True, NOW + hour)
    assert clocks.change_of(symbol, "UTC", NOW + hour - 1) == (True, NOW + hour)
    assert clocks.change_of(symbol, "UTC", NOW + hour) == (False, NOW + 7 * 24 * hour)


# ---- the symbol's zone ----


def symbol_form(boss: Client) -> dict[str, Any]:
    page = form_of(boss.get("/admin/markets/symbol/EURUSD/change/"))
    return page | {"holidays": "[]", "swap_multipliers": "[1,1,3,1,1,0,0]"}


def saved(boss: Client, answer: Any) -> dict[str, Any]:
    """Return the values that were asked for; sessions that move something are told first."""
    if answer.status_code == 200:
        boss.post(answer.context["action"], {"proposal": answer.context["proposal"], "confirmed": "yes"})
    (row,) = Command.objects.filter(name="ChangeSettings")
    values: dict[str, Any] = row.payload["values"]
    return values


def test_symbol_when_its_sessions_get_a_zone_then_it_is_kept_with_them(boss: Client) -> None:
    sent = {"sessions": '{"mon": [["09:00", "17:00"]]}', "session_zone": "America/New_York"}

    answer = boss.post("/admin/markets/symbol/EURUSD/change/", symbol_form(boss) | sent)

    assert saved(boss, answer) == {"sessions": {"mon": [["09:00", "17:00"]], "time_zone": "America/New_York"}}


def test_symbol_when_its_zone_is_taken_away_then_the_server_s_holds(boss: Client) -> None:
    Symbol.objects.filter(name="EURUSD").update(
        sessions={"mon": [["09:00", "17:00"]], "time_zone": "Asia/Tokyo"}
    )
    opened = symbol_form(boss)
    assert (opened["session_zone"], "time_zone" in opened["sessions"]) == ("Asia/Tokyo", False)

    boss.post("/admin/markets/symbol/EURUSD/change/", opened)
    assert not Command.objects.filter(name="ChangeSettings").exists()  # nothing was changed

    answer = boss.post("/admin/markets/symbol/EURUSD/change/", opened | {"session_zone": ""})

    assert saved(boss, answer) == {"sessions": {"mon": [["09:00", "17:00"]]}}


@pytest.mark.parametrize(
    ("sessions", "zone", "sentence"),
    [
        ("", "Asia/Tokyo", "there are no sessions that it could be the clock of"),
        ('{"mon": []}', "Tokyo", "'Tokyo' is no time zone"),
        ('{"mon": [], "time_zone": "Asia/Tokyo"}', "Europe/Berlin", "the sessions beside name another zone: Asia/Tokyo"),
    ],
)  # fmt: skip
def test_symbol_when_the_zone_is_bad_then_a_sentence_at_its_field(
    boss: Client, sessions: str, zone: str, sentence: str
) -> None:
    answer = boss.post(
        "/admin/markets/symbol/EURUSD/change/",
        symbol_form(boss) | {"sessions": sessions, "session_zone": zone},
    )

    assert answer.context["adminform"].form.errors["session_zone"][0].startswith(sentence)
    assert not Command.objects.filter(name="ChangeSettings").exists()


# ---- day ends of accounts ----


def test_day_ends_when_listed_then_filtered_with_the_change_since_the_one_before(boss: Client) -> None:
    for login, day, equity in ((1001, 1, "100.50"), (1001, 2, "90.25"), (1002, 2, "7")):
        AccountDay.objects.create(
            login=login, time=f"2026-03-0{day}T22:00:00Z", balance="80", credit="0", equity=equity, margin="5", floating="10"
        )  # fmt: skip

    listed = boss.get("/admin/accounts/accountday/?login=1001").content.decode()
    assert "-10.25" in listed and "1002" not in listed
    newest = AccountDay.objects.get(login=1001, equity="90.25")
    page = boss.get(f"/admin/accounts/accountday/{newest.pk}/change/").content.decode()
    assert "-10.25" in page and "Mon 2026-03-02 22:00" in page
    card = boss.get("/admin/accounts/account/1001/change/").content.decode()
    assert "Latest day ends" in card and "-10.25" in card
    file = boss.get("/admin/accounts/accountday/csv/?login=1001").getvalue().decode()
    assert file.count("\n") == 3 and "90.25" in file


def test_day_orders_when_some_wait_then_the_server_s_page_counts_them(boss: Client) -> None:
    Order.objects.create(
        ticket=99, login=1001, symbol="EURUSD", type="buy_limit", volume="1", status="pending", reason="client",
        created_at="2026-03-01T00:00:00Z", modified_at="2026-03-01T00:00:00Z", price="1.0", expires_day=True,
    )  # fmt: skip

    assert "1 day orders expire" in proposed(boss, day_end="17:00").content.decode()
