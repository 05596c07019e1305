"""Mass actions: exact rows, in pieces, once each whatever dies, stopped when wanted, money from files."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from accounts.models import Account, ManagerScope
from dealing.models import Command
from manager import mass
from manager.admin import acting
from manager.admin.mass_pages import rows_of
from manager.models import MassItem, MassJob
from manager.tests.book import write_book
from manager.tests.test_lists import fill
from positions.models import Position

pytestmark = pytest.mark.django_db
KEY = "a" * 32


@pytest.fixture
def boss(redis_db: object, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a superuser's browser before a book; nobody waits, no worker is told."""
    monkeypatch.setattr("dealing.journal.wait", lambda *_: None)
    monkeypatch.setattr(mass, "_send", lambda *_: None)
    write_book()
    return admin_client


def admin_user() -> Any:
    return User.objects.get(username="admin")


def desk_answers(monkeypatch: pytest.MonkeyPatch, *, refuse: int = 0) -> None:
    """Let every command be answered as soon as it is looked for; those of one account are refused."""

    def answer(*_: Any) -> None:
        Command.objects.filter(status="pending", login=refuse).update(
            status="done", code="off_quotes", message="no price", done_at=Now()
        )
        Command.objects.filter(status="pending").update(status="done", done_at=Now())

    monkeypatch.setattr(mass, "PATIENCE_S", 2.0)
    monkeypatch.setattr(mass.time, "sleep", answer)


def job_of(rows: Any, kind: str = "close_positions", **given: Any) -> MassJob:
    return mass.start(kind, "A test", admin_user(), rows, client_key=KEY, given=given)


def test_job_when_made_then_its_rows_are_those_of_that_moment_and_the_same_key_makes_no_other(
    boss: Client,
) -> None:
    fill(30)
    rows = Position.objects.filter(status="open")
    wanted = set(rows.values_list("login", "ticket"))

    job = job_of(rows)
    again = job_of(Position.objects.none())

    assert again.pk == job.pk
    assert set(job.items.values_list("login", "ticket")) == wanted
    assert sorted(job.items.values_list("number", flat=True)) == list(range(1, len(wanted) + 1))
    assert job.total == len(wanted) >= 30


def test_job_when_a_worker_dies_between_asking_and_noting_then_every_row_acts_once(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(30)
    monkeypatch.setattr(mass, "PIECE", 7)
    job = job_of(Position.objects.filter(status="open"))

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(mass, "_save", killed)
        with pytest.raises(Killed):
            mass.run(job.pk)
    assert Command.objects.filter(name="ClosePosition").count() == 7
    MassJob.objects.filter(pk=job.pk).update(beat_at="2020-01-01T00:00Z")
    assert mass.lost() == [job.pk]

    desk_answers(monkeypatch, refuse=5003)
    mass.run(job.pk)

    job.refresh_from_db()
    assert job.state == "done"
    assert Command.objects.filter(name="ClosePosition").count() == job.total
    refused = list(job.items.exclude(state="done").values_list("login", "state", "code", "message"))
    assert refused == [(5003, "refused", "off_quotes", "no price")]


def test_job_when_stopped_then_what_was_not_asked_for_is_left_out(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(Position.objects.filter(status="open"))
    boss.post(reverse("admin:manager_mass_stop", args=[job.pk]))

    mass.run(job.pk)

    job.refresh_from_db()
    assert (job.state, set(job.items.values_list("state", flat=True))) == ("cancelled", {"left"})
    assert not Command.objects.filter(name="ClosePosition").exists()


def test_job_when_the_right_is_taken_away_meanwhile_then_nothing_more_is_asked(boss: Client) -> None:
    job = job_of(Position.objects.filter(status="open"))
    User.objects.filter(username="admin").update(is_superuser=False)

    mass.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "admin may not do this any more")
    assert not Command.objects.filter(name="ClosePosition").exists()


def test_action_on_all_rows_of_a_filter_when_many_then_one_job_of_exactly_these(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(30)
    monkeypatch.setattr(acting, "MOST_NAMED", 10)
    where = reverse("admin:positions_position_changelist") + "?status__exact=open&symbol=EURUSD"
    asked = {"action": "close_positions", "select_across": "1", "index": "0", "_selected_action": "1000"}
    page = boss.post(where, asked)
    hidden = {name: str(value) for name, value in page.context["hidden"]} | {
        "key": page.context["key"],
        "comment": "",
    }

    for _ in range(2):  # a double-click
        answer = boss.post(where, hidden)

    job = MassJob.objects.get()
    assert answer.url == reverse("admin:manager_mass_job", args=[job.pk])
    wanted = Position.objects.filter(status="open", symbol="EURUSD").values_list("ticket", flat=True)
    assert set(job.items.values_list("ticket", flat=True)) == set(wanted)
    text = boss.get(answer.url).content.decode()
    assert f"{job.total:,}" in text and "Stop it" in text


def test_action_on_all_rows_when_they_became_more_then_asked_again(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(12)
    monkeypatch.setattr(acting, "MOST_NAMED", 10)
    where = reverse("admin:positions_position_changelist") + "?status__exact=open"
    asked = {"action": "close_positions", "select_across": "1", "index": "0", "_selected_action": "1000",
             "confirmed": "yes", "counted": "11", "key": KEY, "comment": ""}  # fmt: skip

    page = boss.post(where, asked)

    assert "by now, not 11" in page.content.decode()
    assert not MassJob.objects.exists()


def test_accounts_when_many_are_moved_then_each_is_a_change_of_settings(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(Account.objects.filter(login=1001), "move_group", values={"group": "netting"})
    desk_answers(monkeypatch)
    mass.run(job.pk)

    row = Command.objects.get(name="ChangeSettings")
    assert (row.payload["key"], row.payload["values"], row.actor) == ("1001", {"group": "netting"}, "admin")


# Money from files


def upload(browser: Client, text: str, **given: Any) -> Any:
    file = SimpleUploadedFile("credit.csv", text.encode())
    return browser.post(
        reverse("admin:manager_mass_file"), {"kind": "credit_in", "file": file, **given}, follow=True
    )


def test_pages_when_looked_for_then_the_side_bar_leads_to_jobs_and_those_to_the_file(boss: Client) -> None:
    assert reverse("admin:manager_mass_list") in boss.get(reverse("admin:index")).content.decode()
    assert reverse("admin:manager_mass_file") in boss.get(reverse("admin:manager_mass_list")).content.decode()


@pytest.mark.parametrize("page", ["manager_mass_list", "manager_mass_file"])
def test_side_bar_when_at_mass_actions_then_they_alone_are_marked(boss: Client, page: str) -> None:
    groups = boss.get(reverse(f"admin:{page}")).context["sidebar_navigation"]

    marked = [str(item["title"]) for group in groups for item in group["items"] if item.get("active")]

    assert marked == ["Mass actions"]


def test_file_when_rows_are_wrong_then_each_says_why_and_nothing_is_booked(boss: Client) -> None:
    page = upload(
        boss, 'login,amount,comment\n1001,50.25,Gift\n1002,"1,000",\n9999,5,\nx,5,\n1001,-3,\n1001,1e3,\n'
    ).content.decode()

    job = MassJob.objects.get()
    assert job.state == "draft"
    assert list(job.items.order_by("number").values_list("state", flat=True)) == ["left", *["refused"] * 5]
    for why in (
        "1,000 can be read in two ways",
        "there is no account 9999",
        "is no login",
        "must be above 0",
        "exponent form",
    ):
        assert why in page, why
    boss.post(reverse("admin:manager_mass_go", args=[job.pk]))
    mass.run(job.pk)
    assert not Command.objects.filter(name="BalanceOperation", client_key__startswith="mass-").exists()


def test_file_when_good_then_booked_after_a_yes_once_each_and_the_same_file_is_told(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "login;amount;comment\n1001;50.25;Gift\n1002;10\n"
    upload(boss, text)
    job = MassJob.objects.get()
    mass.run(job.pk)
    assert not Command.objects.filter(name="BalanceOperation", client_key__startswith="mass-").exists()

    desk_answers(monkeypatch)
    for _ in range(2):
        boss.post(reverse("admin:manager_mass_go", args=[job.pk]))
        mass.run(job.pk)
    again = upload(boss, text).content.decode()

    rows = (
        Command.objects.filter(name="BalanceOperation", client_key__startswith="mass-")
        .order_by("login")
        .values_list("login", "payload")
    )
    asked = [(login, body["kind"], Decimal(body["amount"]), body["comment"]) for login, body in rows]
    assert asked == [(1001, "credit_in", Decimal("50.25"), "Gift"), (1002, "credit_in", Decimal(10), "")]
    assert "This very file was taken before" in again
    assert MassJob.objects.count() == 1


@pytest.mark.parametrize("text", ["", "login,amount\n", "\n\n"])
def test_file_when_empty_then_refused(text: str) -> None:
    with pytest.raises(ValueError, match="0 rows"):
        rows_of(text)


def test_jobs_when_somebody_elses_then_neither_seen_nor_stopped_nor_begun(boss: Client) -> None:
    job = job_of(Position.objects.filter(status="open"))
    user = User.objects.create_user("kate", is_staff=True)
    ManagerScope.objects.create(user=user, group_masks="*")
    user.user_permissions.set(Permission.objects.filter(codename="move_money"))
    kate = Client()
    kate.force_login(user)

    for name in ("job", "stop", "go"):
        assert kate.post(reverse(f"admin:manager_mass_{name}", args=[job.pk])).status_code == 404
    assert f"#{job.pk}<" not in kate.get(reverse("admin:manager_mass_list")).content.decode()
    assert MassItem.objects.filter(job=job, state="todo").count() == job.total
