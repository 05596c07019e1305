"""The admin in a browser: logging in leads there, money moves by the keyboard alone, figures renew themselves."""

from collections.abc import Callable
from typing import Any

from tests.browser.words import PASSWORD

BOSS = "boss"


def manager(open_page: Callable[..., Any]) -> Any:
    """Return a page of a superuser who has logged in at the admin's own address."""
    made = open_page()
    made.stack.env["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    words = ("createsuperuser", "--noinput", "--username", BOSS, "--email", "boss@broker.example")
    made.stack.ran("manage.py", *words)  # the second time there is one
    made.page.goto(f"{made.stack.url}/admin/login/")
    made.page.get_by_label("Username").fill(BOSS)
    made.page.get_by_label("Password").fill(PASSWORD)
    made.page.keyboard.press("Enter")
    made.page.wait_for_url("**/admin/")
    return made


def test_manager_when_money_is_moved_then_told_first_and_booked_once_by_the_keyboard(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page = boss.page
    ((before,),) = boss.stack.rows("SELECT balance FROM accounts_account WHERE login = 1001")
    page.goto(f"{boss.stack.url}/admin/accounts/account/1001/money/")

    page.locator("#id_amount").fill("1,000")
    page.locator("#id_kind").select_option("deposit")
    page.locator("#id_amount").focus()
    page.locator("button.td-button-main:enabled").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("1,000 can be read in two ways").wait_for()
    page.locator("#id_amount").fill("1000")
    page.locator("button.td-button-main:enabled").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text(f"Balance goes from {before:,.2f} to {before + 1000:,.2f} USD").wait_for()
    page.locator("button.td-button-main:focus").wait_for()  # it is deaf for the first moment
    page.keyboard.press("Enter")
    page.get_by_text("Move money of account 1001: done.").wait_for()

    booked = boss.stack.rows("SELECT count(*) FROM accounts_ledgerentry WHERE login = 1001 AND amount = 1000")
    assert booked == [(1,)]


def test_manager_when_a_comma_is_typed_into_a_setting_then_it_stands_there_and_is_refused(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page = boss.page
    page.goto(f"{boss.stack.url}/admin/accounts/account/1001/change/")
    page.locator("#id_leverage").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("1,000")

    assert page.locator("#id_leverage").input_value() == "1,000"
    page.locator("[name=_continue]:enabled").click()
    page.get_by_text("1,000 can be read in two ways").wait_for()


def test_manager_when_enter_is_held_down_then_the_page_that_asks_is_not_answered(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page = boss.page
    entries = "SELECT count(*) FROM accounts_ledgerentry WHERE login = 1001"
    before = boss.stack.rows(entries)
    page.goto(f"{boss.stack.url}/admin/accounts/account/1001/money/")
    assert page.locator("#id_kind").input_value() == ""  # nobody has chosen one
    page.locator("#id_kind").select_option("withdrawal")
    page.locator("#id_amount").fill("7")
    page.locator("button.td-button-main:enabled").wait_for()
    sent: list[str] = []
    page.on("request", lambda one: one.method == "POST" and sent.append(one.url))

    for _ in range(60):
        page.keyboard.down("Enter")
        page.wait_for_timeout(30)
    page.keyboard.up("Enter")

    page.get_by_text("Balance goes from").wait_for()
    assert len(sent) == 1
    assert boss.stack.rows(entries) == before
    page.locator("button.td-button-main:focus").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Move money of account 1001: done.").wait_for()


def test_manager_when_a_button_is_pressed_twice_then_it_is_sent_once_and_nothing_beneath_it_is_pressed(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page = boss.page
    page.goto(f"{boss.stack.url}/admin/accounts/account/1001/money/")
    page.locator("#id_kind").select_option("withdrawal")
    page.locator("#id_amount").fill("8")
    page.locator("button.td-button-main:enabled").wait_for()
    sent: list[str] = []
    page.on("request", lambda one: one.method == "POST" and sent.append(one.url))

    page.evaluate("""() => { const form = document.querySelector('form.td-form');
        form.requestSubmit(); form.requestSubmit(); }""")
    page.get_by_text("Balance goes from").wait_for()

    assert len(sent) == 1
    assert page.locator("button.td-button-main").is_disabled()  # deaf for the first moment
    page.locator("button.td-button-main:focus").wait_for()


def buy(made: Any) -> None:
    """Open a position of account 1001 by the page for it."""
    page = made.page
    page.goto(f"{made.stack.url}/admin/accounts/account/1001/order/")
    page.locator("#id_symbol").select_option("EURUSD")
    page.locator("#id_type").select_option("buy")
    page.locator("#id_volume").fill("0.10")
    page.locator("button.td-button-main:enabled").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Buy 0.10 lots of EURUSD").wait_for()
    page.locator("button.td-button-main:focus").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("New order for account 1001: done.").wait_for()


def test_manager_when_rows_come_while_the_pointer_moves_among_them_then_they_wait_and_take_no_press_at_first(
    open_page: Callable[..., Any],
) -> None:
    ann, bob = manager(open_page), manager(open_page)
    bob.stack.tick("EURUSD", "1.10000", "1.10010")
    buy(bob)
    page = ann.page
    page.goto(f"{ann.stack.url}/admin/positions/position/?status__exact=open")
    row = page.locator("#result_list tbody tr").first
    aimed, count = row.inner_text().split()[0], page.locator("#result_list tbody tr").count()
    page.evaluate("""() => { window.wasInert = false;
        new MutationObserver(() => { window.wasInert ||= document.querySelector("#td-rows").inert; })
            .observe(document.querySelector("#td-rows"), { attributes: true }); }""")
    page.evaluate("""() => { window.aiming = setInterval(() => document.querySelector("#result_list tbody tr td")
        .dispatchEvent(new PointerEvent("pointermove", { bubbles: true })), 100); }""")
    buy(bob)

    page.wait_for_timeout(8_000)  # longer than two renewals
    assert row.inner_text().split()[0] == aimed
    assert page.locator("#result_list tbody tr").count() == count
    page.evaluate("clearInterval(window.aiming)")

    page.wait_for_function("(n) => document.querySelectorAll('#result_list tbody tr').length > n", arg=count)
    assert page.evaluate("window.wasInert")
    page.locator("#td-rows:not([inert])").wait_for()
    page.locator(
        "input.action-select"
    ).first.check()  # the boxes of rows that came are bound like the first ones
    assert page.locator("span.action-counter").inner_text().startswith("1 of")


def test_manager_when_the_market_moves_then_list_and_overview_follow_and_chosen_rows_stay(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page = boss.page
    boss.stack.tick("EURUSD", "1.10000", "1.10010")
    buy(boss)

    page.goto(f"{boss.stack.url}/admin/positions/position/?status__exact=open")
    page.locator("input.action-select").first.check()
    boss.stack.tick("EURUSD", "1.10110", "1.10120")
    page.get_by_text("+10.00").first.wait_for()
    assert page.locator("input.action-select").first.is_checked()

    page.goto(f"{boss.stack.url}/admin/")
    boss.stack.tick("EURUSD", "1.10210", "1.10220")
    page.locator("[data-live=overview]").get_by_text("1.10220").wait_for()


def opened(made: Any, group: str) -> Any:
    """Return the settings page of a group, filled in by what is saved."""
    made.page.goto(f"{made.stack.url}/admin/accounts/group/{group}/change/")
    return made.page


def test_manager_when_two_save_the_same_group_then_the_second_loses_nothing_and_the_same_field_is_told(
    open_page: Callable[..., Any],
) -> None:
    ann, bob = manager(open_page), manager(open_page)
    (group,) = ann.stack.rows("SELECT group_id FROM accounts_account WHERE login = 1001")[0]
    first, second = opened(ann, group), opened(bob, group)

    first.locator("#id_max_orders").fill("77")
    first.locator("#id_timeout").fill("99")
    first.keyboard.press("Enter")
    first.get_by_text("goes by the new settings").wait_for()
    second.locator("#id_ttl").fill("33")
    second.keyboard.press("Enter")
    second.get_by_text("goes by the new settings").wait_for()

    def now() -> Any:
        return ann.stack.rows(f"SELECT max_orders, timeout, ttl FROM accounts_group WHERE name = '{group}'")

    assert now() == [(77, 99, 33)]

    second.go_back()
    second.wait_for_load_state()
    opened(bob, group)
    opened(ann, group)
    first.locator("#id_timeout").fill("50")
    first.keyboard.press("Enter")
    first.get_by_text("goes by the new settings").wait_for()
    second.locator("#id_timeout").fill("60")
    second.keyboard.press("Enter")
    second.get_by_text("Nothing was saved").wait_for()
    for value in ("60", "50", "99"):
        assert second.locator(".td-table td", has_text=value).count() >= 1
    assert now() == [(77, 50, 33)]


def test_manager_when_a_stop_out_of_far_too_much_is_typed_then_told_before_and_enter_saves_nothing(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page = boss.page
    boss.stack.tick("EURUSD", "1.10000", "1.10010")
    page.goto(f"{boss.stack.url}/admin/accounts/account/1001/order/")
    page.locator("#id_symbol").select_option("EURUSD")
    page.locator("#id_type").select_option("buy")
    page.locator("#id_volume").fill("0.10")
    page.locator("button.td-button-main:enabled").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Buy 0.10 lots of EURUSD").wait_for()
    page.locator("button.td-button-main").click()
    page.get_by_text("New order for account 1001: done.").wait_for()
    (group,) = boss.stack.rows("SELECT group_id FROM accounts_account WHERE login = 1001")[0]

    opened(boss, group)
    page.locator("#id_stop_out").fill("5000000")
    page.keyboard.press("Enter")
    page.get_by_text("accounts would be stopped out").wait_for()
    page.locator("button.td-button-main:enabled").wait_for()
    page.locator("#td-typed").press("Enter")
    page.get_by_text("accounts would be stopped out").wait_for()

    held = boss.stack.rows("SELECT count(*) FROM positions_position WHERE login = 1001 AND status = 'open'")
    saved = boss.stack.rows(f"SELECT stop_out FROM accounts_group WHERE name = '{group}'")
    assert held[0][0] >= 1
    assert str(saved[0][0]) != "5000000"
