"""Nothing is chosen before somebody chose it, and what was chosen and is gone is not replaced by something else."""

import time
from typing import Any

import pytest

from tests.browser.conftest import Trader
from tests.browser.test_slips import ask, open_positions, orders, ready, twice
from tests.stack import Stack, wait_until

PLANS = "SELECT count(*) FROM orders_smartorder"


@pytest.fixture(autouse=True)
def market(stack: Stack) -> None:
    """Put EURUSD at its price."""
    stack.tick("EURUSD", "1.09990", "1.10000")


@pytest.fixture
def at_market(trader: Trader) -> Trader:
    """Return a trader who sees EURUSD at its price."""
    return ready(trader)


def why(trader: Trader) -> str:
    """Return what the builder says is missing."""
    return trader.text(".smart-builder .ticket-why")


def test_builder_when_nobody_chose_a_side_then_none_is_and_nothing_starts(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    ((before,),) = stack.rows(PLANS)
    page.keyboard.press("p")
    form = page.locator(".smart-builder")

    assert form.locator("[data-side][aria-pressed=true]").count() == 0
    assert form.locator(".levels li").count() == 0
    assert form.locator(".confirm").inner_text().startswith("Choose a side: ")
    assert why(trader) == "Choose Sell or Buy."
    form.get_by_label("Volume, lots").press("Control+Enter")
    assert trader.text(".smart-builder .form-error:visible") == "Not sent. Choose Sell or Buy."

    form.get_by_label("Volume, lots").press("s")  # chooses it here, and goes nowhere else
    trader.until("document.querySelectorAll('.levels li').length === 3")
    assert form.locator(".sell[aria-pressed=true]").is_visible()
    trader.armed()
    page.keyboard.press("Enter")
    assert stack.rows(PLANS) == [(before,)]
    page.keyboard.press("Control+Enter")
    wait_until(lambda: stack.rows(PLANS) == [(before + 1,)], "the plan")
    assert stack.rows("SELECT side FROM orders_smartorder ORDER BY id DESC LIMIT 1") == [("sell",)]
    page.keyboard.press("p")
    assert form.locator("[data-side][aria-pressed=true]").count() == 0


def test_builder_when_the_chosen_position_is_closed_then_no_other_plan_comes_in_its_place(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 3)
    ((before,),) = stack.rows(PLANS)
    free = "SELECT ticket FROM positions_position WHERE status = 'open' AND smart IS NULL ORDER BY ticket"
    tickets = [row[0] for row in stack.rows(free)]
    page.keyboard.press("p")
    form = page.locator(".smart-builder")
    form.get_by_label("Entry", exact=True).select_option("position")

    assert form.get_by_label("Position", exact=True).input_value() == ""
    assert why(trader) == "Choose a position, or another entry."
    page.keyboard.press("b")  # the side is the position's
    assert form.locator("[data-side][aria-pressed=true]").count() == 0
    form.get_by_label("Position", exact=True).select_option(str(tickets[0]))
    trader.armed()

    for ticket in tickets:
        answer = ask(trader, "POST", f"positions/{ticket}/close/", {})
        assert answer["position"]["status"] == "closed", answer
        trader.until(
            "async t => !(await import('/static/portal/js/lib/store.js')).store.positions.has(t)", ticket
        )
        trader.until("document.querySelector('.smart-builder .confirm').ariaDisabled === 'true'")
        assert form.get_by_label("Position", exact=True).input_value() == ""
        assert form.get_by_label("Entry", exact=True).input_value() == "position"
        assert why(trader) == "Choose a position, or another entry."
    form.locator(".confirm").click(force=True)

    assert stack.rows(PLANS) == [(before,)]
    form.get_by_label("Entry", exact=True).select_option("market")
    assert why(trader) == "Choose Sell or Buy."


def test_dialog_when_what_it_reads_is_slow_and_it_is_double_clicked_then_it_opens_once(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    plan = {
        "symbol": "EURUSD",
        "side": "buy",
        "volume": "0.1",
        "entry": {"type": "market"},
        "stop_loss": "1.05",
    }
    made = ask(trader, "POST", "smart-orders/", plan)
    page.keyboard.press("3")
    row = page.locator(f"table.smarts tr[data-key='{made['id']}']")
    row.wait_for()

    def slow(route: Any) -> None:
        time.sleep(0.5)
        route.continue_()

    page.route(f"**/api/v1/smart-orders/{made['id']}/**", slow)
    for name in ("Modify", f"#{made['id']}, details"):
        asked: list[str] = []
        page.on("response", lambda one, asked=asked: "/smart-orders/" in one.url and asked.append(one.url))
        twice(trader, row.get_by_role("button", name=name), 150)
        wait_until(lambda asked=asked: (page.wait_for_timeout(50), len(asked) >= 2)[1], "both answers")
        page.get_by_role("dialog").first.wait_for()
        page.wait_for_timeout(300)
        assert page.locator("dialog[open]").count() == 1
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")
        page.wait_for_timeout(800)
    page.unroute(f"**/api/v1/smart-orders/{made['id']}/**")


def test_close_by_when_no_opposite_position_is_chosen_then_nothing_is_sent(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 1)
    made = ask(trader, "POST", "orders/", {"symbol": "EURUSD", "type": "sell", "volume": "0.01"})
    page.keyboard.press("1")
    row = page.locator(f"table.positions tr[data-key='{made['position']}']")
    trader.until("document.querySelectorAll('table.positions tr:not(.gone)').length >= 2")
    row.get_by_role("button", name="by an opposite one").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_text("Choose the opposite position.").wait_for()
    page.wait_for_timeout(800)
    assert dialog.get_by_role("button", name="Close by").is_disabled()
    dialog.get_by_label("Opposite position").select_option(index=1)
    dialog.get_by_role("button", name="Close by").click()

    dialog.wait_for(state="detached")
    page.locator(".toast", has_text="closed against each other").wait_for()


def test_history_when_its_days_are_in_the_wrong_order_then_it_says_so_and_asks_nothing(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 1)
    asked: list[str] = []
    for key, name in (("4", "history"), ("5", "ledger")):
        page.keyboard.press(key)
        panel = page.locator(f"[data-book={name}]")
        panel.get_by_label("To day").fill("2026-01-10")
        page.wait_for_timeout(600)
        page.on("request", lambda one: "since=" in one.url and asked.append(one.url))

        panel.get_by_label("From day").fill("2026-01-20")

        panel.get_by_text("2026-01-10 lies before 2026-01-20: no day is between.").wait_for()
        assert panel.get_by_label("To day").get_attribute("aria-invalid") == "true"
        page.wait_for_timeout(600)
        assert asked == []
        panel.get_by_role("button", name="All", exact=True).click()
        trader.until(
            "name => document.querySelectorAll(`[data-book=${name}] tbody tr:not(.gone)`).length > 0", name
        )
        page.keyboard.press("Escape")


def test_close_when_its_answer_is_lost_then_the_journal_tells_its_figures(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.expected = ("503",)
    ticket = ask(trader, "POST", "orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"})["position"]
    page.keyboard.press("1")
    row = page.locator(f"table.positions tr[data-key='{ticket}']")

    def lost(route: Any) -> None:
        route.fetch()
        route.fulfill(status=503, content_type="application/json", body='{"code": "unavailable"}')

    page.route("**/close/", lost)
    row.locator("button.close").click()

    toast = page.locator(".toast.bad", has_text="It was done all the same")
    toast.wait_for()
    assert (
        f"It was done all the same: sell 0.01 EURUSD at 1.09990 closed #{ticket}, net ▼ −0.10 USD."
        in toast.inner_text()
    )
    page.unroute("**/close/")


def test_one_click_when_enter_is_held_down_on_a_price_then_one_order_is_sent(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    page.get_by_label("One click").check()
    trader.until("!document.querySelector('.side.buy').dataset.disarmed")
    wait_until(lambda: stack.rows("SELECT one_click FROM accounts_preference") == [(True,)], "the choice")
    before = orders(stack)
    page.locator(".ticket .side.buy").focus()

    for _ in range(80):
        page.keyboard.down("Enter")
        page.wait_for_timeout(30)
    page.keyboard.up("Enter")
    page.locator(".toast", has_text="filled at").first.wait_for()

    assert orders(stack) == before + 1


def test_levels_when_a_cross_is_double_clicked_then_one_level_goes(at_market: Trader) -> None:
    trader, page = at_market, at_market.page
    page.keyboard.press("p")
    page.locator(".smart-builder .buy").click()
    trader.until("document.querySelectorAll('.levels li').length === 3")

    twice(trader, page.locator(".levels li").first.get_by_role("button"), 150)

    assert page.locator(".levels li:not(.gone)").count() == 2
