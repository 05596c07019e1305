"""A hand slips and nothing is lost: double presses, commas, empty fields, stale prices, a connection that is gone."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Trader
from tests.stack import Stack, wait_until

PAUSES_MS = (100, 150, 200, 250, 300, 350, 400)
LIVE_ROWS = "table.positions tbody tr:not(.gone)"


@pytest.fixture(autouse=True)
def market(stack: Stack) -> None:
    """Put EURUSD at its price."""
    stack.tick("EURUSD", "1.09990", "1.10000")


def ready(trader: Trader) -> Trader:
    """Bring EURUSD at its price before the trader."""
    trader.page.keyboard.press("Escape")
    trader.page.evaluate(
        "async () => { const {store} = await import('/static/portal/js/lib/store.js'); store.select('EURUSD'); }"
    )
    trader.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    return trader


@pytest.fixture
def at_market(trader: Trader) -> Trader:
    """Return a trader who sees EURUSD at its price."""
    return ready(trader)


def ask(trader: Trader, method: str, path: str, body: Any = None) -> Any:
    """Return the answer to a request that the page sends beside its own."""
    return trader.page.evaluate(
        """async ([method, path, body]) => (await fetch("/api/v1/" + path, {method, body, headers: {
            "Content-Type": "application/json", "X-CSRFToken": document.cookie.match(/csrftoken=([^;]+)/)[1]}})).json()""",
        [method, path, None if body is None else json.dumps(body)],
    )


def open_positions(trader: Trader, stack: Stack, count: int) -> None:
    """Open so many positions of a hundredth of a lot, and wait until the table has them."""
    have = held(stack)
    for _ in range(count - have):
        answer = ask(trader, "POST", "orders/", {"symbol": "EURUSD", "type": "buy", "volume": "0.01"})
        assert answer.get("status") == "completed", answer
    trader.until("([rows, n]) => document.querySelectorAll(rows).length === n", [LIVE_ROWS, max(have, count)])


def held(stack: Stack) -> int:
    """Return how many positions are open."""
    return int(stack.rows("SELECT count(*) FROM positions_position WHERE status = 'open'")[0][0])


def orders(stack: Stack) -> int:
    """Return how many orders there are, of any kind and state."""
    return int(stack.rows("SELECT count(*) FROM orders_order")[0][0])


def middle(locator: Any) -> tuple[float, float]:
    """Return the middle of an element, in sight."""
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def twice(trader: Trader, locator: Any, pause_ms: int) -> None:
    """Press twice at one place, so many ms apart, whatever comes to lie there."""
    x, y = middle(locator)
    trader.page.mouse.click(x, y)
    trader.page.wait_for_timeout(pause_ms)
    trader.page.mouse.click(x, y)


def test_close_when_double_clicked_twenty_times_then_twenty_positions_are_closed(
    at_market: Trader, stack: Stack
) -> None:
    trader = at_market
    open_positions(trader, stack, 45)

    for pause_ms in itertools.islice(itertools.cycle(PAUSES_MS), 20):
        before = held(stack)
        twice(trader, trader.row("positions").locator("button.close"), pause_ms)
        wait_until(lambda before=before: held(stack) < before, "the close")
        trader.until("([rows, n]) => document.querySelectorAll(rows).length === n", [LIVE_ROWS, before - 1])

    assert held(stack) == 25
    assert trader.page.locator("table.positions tr.gone").count() > 0  # the hand is still there
    trader.page.mouse.move(5, 5)
    trader.until("document.querySelector('table.positions tr.gone') === null")
    assert trader.page.locator(LIVE_ROWS).count() == 25


def test_close_when_double_tapped_on_a_phone_then_one_position_a_time(
    open_page: Callable[..., Trader], stack: Stack
) -> None:
    phone = open_page(width=390, height=844, phone=True)
    phone.log_in()
    open_positions(phone, stack, 12)
    phone.page.get_by_role("button", name="Account", exact=True).click()

    for pause_ms in (100, 200, 300, 400):
        before = held(stack)
        x, y = middle(phone.row("positions").locator("button.close"))
        phone.page.touchscreen.tap(x, y)
        phone.page.wait_for_timeout(pause_ms)
        phone.page.touchscreen.tap(x, y)
        wait_until(lambda before=before: held(stack) < before, "the close")
        phone.page.wait_for_timeout(400)
        assert held(stack) == before - 1


def test_close_when_enter_is_pressed_twice_then_the_focus_waits_and_one_position_is_closed(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 5)
    before = held(stack)
    page.keyboard.press("1")
    page.locator("[data-book=positions] .sort").first.focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('tr button.close')"):
            break

    page.keyboard.press("Enter")
    trader.until("document.querySelector('table.positions tr.gone') !== null")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.matches('tr.gone')")
    assert held(stack) == before - 1


def test_close_when_it_was_done_then_it_is_told_with_what_it_brought(at_market: Trader, stack: Stack) -> None:
    trader = at_market
    open_positions(trader, stack, 1)
    ticket = trader.row("positions").get_attribute("data-key")

    trader.row("positions").locator("button.close").click()

    told = trader.page.locator(".toast", has_text=f"Closed #{ticket}: buy")
    told.wait_for()
    assert "0.01 EURUSD at 1.09990, net ▼ −0.10 USD (profit −0.10, swap 0.00, fees 0.00)" in told.inner_text()


def test_close_when_asked_before_then_a_double_click_closes_nothing(at_market: Trader, stack: Stack) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 3)
    before = held(stack)
    assert ask(trader, "PATCH", "preferences/", {"confirm_close": True})["confirm_close"] is True
    page.reload()
    trader.wait_live()
    trader.row("positions").wait_for()

    twice(trader, trader.row("positions").locator("button.close"), 150)
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert not page.evaluate("document.activeElement.matches('dialog button.danger')")
    assert held(stack) == before

    twice(trader, dialog.get_by_role("button", name="Close now"), 150)  # it is deaf for a moment
    dialog.get_by_role("button", name="Close now").click()
    dialog.wait_for(state="detached")
    assert held(stack) == before - 1


def test_ticket_when_its_button_is_double_clicked_then_one_order_is_sent(
    at_market: Trader, stack: Stack
) -> None:
    trader = at_market
    trader.choose("buy")
    before = orders(stack)

    twice(trader, trader.armed(), 120)
    trader.page.locator(".toast", has_text="filled at").wait_for()
    trader.page.wait_for_timeout(900)
    twice(trader, trader.page.locator(".confirm:visible"), 120)  # no side is chosen any more

    assert orders(stack) == before + 1
    assert trader.text(".ticket-why:visible") == "Choose Sell or Buy."


def test_one_click_when_chosen_then_it_is_the_users_in_every_browser_and_sends_once(
    at_market: Trader, open_page: Callable[..., Trader], stack: Stack
) -> None:
    trader = at_market
    box = trader.page.get_by_label("One click")
    assert not box.is_checked()
    before = orders(stack)
    trader.choose("buy")
    assert orders(stack) == before

    box.check()
    wait_until(lambda: stack.rows("SELECT one_click FROM accounts_preference") == [(True,)], "the choice")
    other = open_page()
    other.log_in()
    other.until("document.querySelector('.ticket .check input').checked")
    trader.until("!document.querySelector('.side.buy').dataset.disarmed")
    twice(trader, trader.page.locator(".side.buy"), 150)
    trader.page.locator(".toast", has_text="filled at").wait_for()

    assert orders(stack) == before + 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("1,000", 'holds a comma: the point is the decimal mark, and nothing stands between thousands. Type 1000 or 1.000.'),
        ("1e1", "holds an exponent. Type 10."),
        ("1 000", "holds a space"),
        ("\u0661", "holds digits other than 0 to 9. Type 1."),
        ("", "Type a volume."),
    ],
)  # fmt: skip
def test_ticket_when_a_number_cannot_be_read_then_it_says_so_and_nothing_is_sent(
    at_market: Trader, stack: Stack, typed: str, said: str
) -> None:
    trader, page = at_market, at_market.page
    trader.choose("buy")
    trader.armed()
    before = orders(stack)

    field = page.get_by_label("Volume, lots").first
    field.fill(typed)
    trader.until("said => document.querySelector('.ticket').innerText.includes(said)", said)
    assert trader.page.locator(".confirm:visible").get_attribute("aria-disabled") == "true"
    field.press("Enter")
    trader.page.locator(".confirm:visible").click(force=True)

    assert trader.text(".ticket .form-error:visible").startswith("Not sent. ")
    assert orders(stack) == before
    field.fill("0.02")
    assert "= 0.02 lots" in page.locator(".ticket .form-row").first.inner_text()


def test_ticket_when_until_a_time_has_no_time_then_nothing_is_sent(at_market: Trader, stack: Stack) -> None:
    trader, page = at_market, at_market.page
    page.get_by_role("button", name="Limit", exact=True).click()
    page.get_by_label("Price", exact=True).first.fill("1.05000")
    trader.choose("buy")
    trader.armed()
    before = orders(stack)

    page.get_by_label("Expiry").select_option("date")
    assert trader.text(".ticket-why:visible").startswith("Until a time: choose day and time")
    page.get_by_label("Price", exact=True).first.press("Enter")
    page.get_by_label("Expires at").fill("2020-01-01T00:00")
    assert trader.text(".ticket-why:visible") == "Until a time: that time is over."
    page.get_by_label("Price", exact=True).first.press("Enter")
    assert orders(stack) == before

    page.get_by_label("Expires at").fill("2090-01-01T00:00")
    trader.armed().click()
    wait_until(lambda: orders(stack) == before + 1, "the order")
    ((expires,),) = stack.rows("SELECT expires_at::date::text FROM orders_order ORDER BY ticket DESC LIMIT 1")
    assert expires in ("2089-12-31", "2090-01-01")


def test_ticket_when_nobody_chose_a_side_then_enter_sends_nothing(at_market: Trader, stack: Stack) -> None:
    before = orders(stack)

    at_market.page.get_by_label("Volume, lots").first.press("Enter")

    assert at_market.text(".ticket .form-error:visible") == "Not sent. Choose Sell or Buy."
    assert orders(stack) == before


def test_ticket_when_the_price_is_old_then_it_is_disarmed_until_a_new_one_comes(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.choose("sell")
    trader.armed()
    before = orders(stack)

    page.evaluate(
        """async () => { const {store} = await import('/static/portal/js/lib/store.js');
            store.quotes.get('EURUSD').seenMs = Date.now() - 61000; store.changed('quotes'); }"""
    )
    trader.until("document.querySelector('.confirm').ariaDisabled === 'true'")
    assert trader.text(".ticket-why:visible") == "The price is older than 60 s: nothing is sent on it."
    assert page.locator(".side.sell[data-disarmed]").count() == 1
    page.get_by_label("Volume, lots").first.press("Enter")
    assert orders(stack) == before

    stack.tick("EURUSD", "1.09991", "1.10001")
    assert trader.armed().inner_text() == "Sell 0.01 EURUSD at market"


def test_ticket_when_its_figures_are_of_another_volume_then_it_is_disarmed(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.choose("buy")
    trader.armed()
    held_back: list[Any] = []
    page.route("**/api/v1/margin-preview/", lambda route: held_back.append(route))
    before = orders(stack)

    page.get_by_label("Volume, lots").first.fill("0.03")
    page.get_by_label("Volume, lots").first.press("Enter")

    assert trader.text(".ticket .form-error:visible") == "Not sent. What it needs is being counted …"
    assert page.locator(".preview dd").first.inner_text() == "…"
    assert orders(stack) == before
    wait_until(lambda: (page.wait_for_timeout(20), held_back)[1], "the question")
    page.unroute("**/api/v1/margin-preview/")
    page.get_by_label("Volume, lots").first.fill("0.04")
    assert trader.armed().inner_text() == "Buy 0.04 EURUSD at market"


def test_stops_when_nothing_or_one_field_was_touched_then_only_that_is_sent(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 1)
    ticket = trader.row("positions").get_attribute("data-key")
    ask(trader, "PATCH", f"positions/{ticket}/", {"sl": "1.05", "tp": "1.2"})
    trader.until(
        "document.querySelector('table.positions tr:not(.gone) [data-cell=tp]').innerText === '1.20000'"
    )
    sent: list[Any] = []
    page.on("request", lambda one: one.method == "PATCH" and sent.append(one.post_data_json))

    trader.row("positions").get_by_role("button", name="Stops of position").click()
    dialog = page.get_by_role("dialog")
    save = dialog.get_by_role("button", name="Save")
    dialog.get_by_text("Nothing is changed yet.").wait_for()
    assert save.is_disabled()
    dialog.get_by_label("Stop loss", exact=True).fill("95,000")
    assert "Type 95000 or 95.000." in dialog.inner_text()
    dialog.get_by_label("Stop loss", exact=True).press("Enter")
    assert save.is_disabled() and sent == []
    dialog.get_by_label("Stop loss", exact=True).fill("1.06")
    save.click()
    dialog.wait_for(state="detached")

    assert sent == [{"account": 1001, "seen": {"sl": "1.05000"}, "sl": "1.06"}]


def test_stops_when_changed_elsewhere_meanwhile_then_conflict_with_what_stands(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.expected = ("409",)
    open_positions(trader, stack, 1)
    ticket = trader.row("positions").get_attribute("data-key")
    ask(trader, "PATCH", f"positions/{ticket}/", {"sl": "1.05", "tp": "0"})
    trader.until(
        "document.querySelector('table.positions tr:not(.gone) [data-cell=sl]').innerText === '1.05000'"
    )
    trader.row("positions").get_by_role("button", name="Stops of position").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Stop loss", exact=True).fill("1.06")
    ask(trader, "PATCH", f"positions/{ticket}/", {"sl": "1.07", "tp": "1.3"})

    dialog.get_by_role("button", name="Save").click()

    dialog.get_by_text("[conflict]").wait_for()
    assert "Sl was 1.05000 and is now 1.07000; tp was none and is now 1.30000" in dialog.inner_text()
    assert dialog.get_by_label("Stop loss", exact=True).input_value() == "1.06"
    assert dialog.get_by_label("Take profit", exact=True).input_value() == "1.30000"
    sql = "SELECT sl::text, tp::text FROM positions_position WHERE ticket = " + str(ticket)
    assert stack.rows(sql) == [("1.07000", "1.30000")]
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    assert stack.rows(sql) == [("1.06000", "1.30000")]


def test_order_when_its_dialogs_are_double_clicked_then_one_order_is_cancelled(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    for price in ("1.01", "1.02", "1.03"):
        ask(
            trader,
            "POST",
            "orders/",
            {"symbol": "EURUSD", "type": "buy_limit", "volume": "0.01", "price": price},
        )
    page.keyboard.press("2")
    sql = "SELECT count(*) FROM orders_order WHERE status = 'pending'"
    trader.row("orders", 2).wait_for()
    ((before,),) = stack.rows(sql)

    twice(trader, trader.row("orders").get_by_role("button", name="Cancel"), 120)
    dialog = page.get_by_role("dialog")
    button = dialog.get_by_role("button", name="Cancel order")
    trader.until("!document.querySelector('dialog button.danger').disabled")
    page.wait_for_timeout(200)
    twice(trader, button, 200)
    wait_until(lambda: stack.rows(sql) == [(before - 1,)], "the order to be cancelled")
    page.wait_for_timeout(900)

    assert stack.rows(sql) == [(before - 1,)]
    assert dialog.count() == 0


def test_pending_when_it_waits_then_the_price_of_its_side_stands_beside_it(
    at_market: Trader, stack: Stack
) -> None:
    trader = at_market
    for kind, price in (("buy_limit", "1.09500"), ("sell_limit", "1.10500")):
        ask(trader, "POST", "orders/", {"symbol": "EURUSD", "type": kind, "volume": "0.01", "price": price})

    trader.page.keyboard.press("2")
    trader.row("orders", 1).wait_for()
    stack.tick("EURUSD", "1.10003", "1.10017")

    shown = "[...document.querySelectorAll('table.orders [data-cell=current]')].map(c => c.innerText).sort()"
    trader.until(f"JSON.stringify({shown}) === JSON.stringify(['1.10003', '1.10017'])")


def test_pending_when_it_is_reached_then_it_is_told_by_its_own_name(at_market: Trader, stack: Stack) -> None:
    trader, page = at_market, at_market.page
    made = ask(
        trader,
        "POST",
        "orders/",
        {"symbol": "EURUSD", "type": "buy_limit", "volume": "0.01", "price": "1.09980"},
    )
    trader.until(
        "async t => (await import('/static/portal/js/lib/store.js')).store.orders.has(t)", made["ticket"]
    )

    stack.tick("EURUSD", "1.09960", "1.09970")

    page.locator(".toast", has_text="Buy limit filled: buy 0.01 EURUSD at 1.09980").wait_for()
    trader.until("document.querySelector('#spoken-status').textContent.startsWith('Buy limit filled')")
    page.keyboard.press("4")
    trader.until("document.querySelector('table.deals [data-cell=reason]')?.innerText === 'Buy limit filled'")
    trader.row("deals").get_by_role("button", name="Details").click()
    story = page.locator("dialog .story")
    story.wait_for()
    assert story.inner_text().startswith(
        "Buy limit filled: the price reached your order at its level 1.09980"
    )


def test_net_when_a_position_carries_swap_and_fees_then_it_stands_beside_the_gross_profit(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    open_positions(trader, stack, 2)

    page.evaluate(
        """async () => { const {store} = await import('/static/portal/js/lib/store.js');
            for (const row of store.positions.values()) Object.assign(row, {swap: "-0.25", fees: "-1.50"});
            store.changed('positions'); }"""
    )

    cells = "(row, name) => row.querySelector(`[data-cell=${name}]`).innerText"
    trader.until(
        f"(() => {{ const of = {cells}; return [...document.querySelectorAll('{LIVE_ROWS}')]"
        ".some(row => of(row, 'profit') === '▼ −0.10' && of(row, 'net') === '▼ −1.85'); })()"
    )
    assert " positions, together " in trader.text(".total") and ", net ▼ −" in trader.text(".total")


@pytest.mark.parametrize(("width", "height"), [(844, 390), (932, 430), (667, 375)])
def test_phone_when_on_its_side_then_it_can_trade(
    open_page: Callable[..., Trader], stack: Stack, width: int, height: int
) -> None:
    phone = open_page(width=width, height=height, phone=True)
    phone.log_in()
    phone.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    before = held(stack)

    for view in ("Markets", "Chart", "Account", "Trade"):
        phone.page.get_by_role("button", name=view, exact=True).click()
        assert phone.page.locator(".panel:visible").count() == 1
        assert phone.page.evaluate(
            "document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight"
        )
    phone.choose("buy")
    phone.armed().click()
    wait_until(lambda: held(stack) == before + 1, "the position")
    phone.page.get_by_role("button", name="Account", exact=True).click()
    phone.row("positions").locator("button.close").click()
    wait_until(lambda: held(stack) == before, "the close")
