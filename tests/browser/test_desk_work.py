"""Eight hours at the terminal: lines that are dragged, stops by money, rows that stay, colours that can be read,
and what is told when a session, an answer or the prices go missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Trader
from tests.browser.words import PASSWORD, USER
from tests.stack import Stack, wait_until

SEEN = (Path(__file__).parent / "seen.js").read_text()
FINGER_PX = 40


@pytest.fixture(autouse=True)
def market(stack: Stack) -> None:
    """Put EURUSD at its price."""
    stack.tick("EURUSD", "1.09990", "1.10000")


@pytest.fixture
def at_market(trader: Trader) -> Trader:
    """Return a trader who sees EURUSD at its price and a chart."""
    trader.page.locator("[data-symbol=EURUSD] button").click()
    trader.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    trader.page.locator(".chart-box canvas").first.wait_for()
    return trader


def buy(trader: Trader, volume: str, **stops: str) -> None:
    """Buy at the market with these stops, and wait for the position."""
    page = trader.page
    held = page.locator("table.positions tbody tr:not(.gone)").count()
    page.get_by_label("Volume, lots").first.fill(volume)
    for name in ("sl", "tp"):
        page.locator(f"[name={name}]").first.fill(stops.get(name, ""))
    trader.choose("buy")
    trader.armed().click()
    trader.row("positions", held).wait_for()


def close_all(trader: Trader) -> None:
    """Close what is open."""
    rows = trader.page.locator("table.positions tbody tr:not(.gone)")
    while count := rows.count():
        rows.first.locator("button.close").click()
        trader.until(
            "n => document.querySelectorAll('table.positions tbody tr:not(.gone)').length < n", count
        )


def lowest_line(trader: Trader) -> tuple[float, float]:
    """Return a point on the lowest line of the chart that can be dragged."""
    page = trader.page
    page.wait_for_timeout(200)  # the scale follows the lines with the next paint
    box = page.locator(".chart-box").bounding_box()
    assert box is not None
    x = box["x"] + 200
    for y in range(int(box["y"] + box["height"]) - 30, int(box["y"]), -3):
        page.mouse.move(x, y)
        if page.evaluate("document.querySelector('.chart-box').classList.contains('can-drag')"):
            return x, y - 3
    pytest.fail("no line can be dragged")


def drag(trader: Trader, up_px: int) -> None:
    """Drag the lowest line so many pixels up."""
    x, y = lowest_line(trader)
    trader.page.mouse.down()
    trader.page.mouse.move(x, y - up_px, steps=4)
    trader.page.mouse.up()


def stop_of(stack: Stack) -> str:
    """Return the stop loss of the open position."""
    ((stop,),) = stack.rows("SELECT sl::text FROM positions_position WHERE status = 'open'")
    return str(stop)


def test_line_when_dragged_then_the_stop_moves_and_undo_and_escape_put_it_back(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.expected = ("400", "409")
    if page.locator(".fit").get_attribute("aria-pressed") == "false":
        page.locator(".fit").click()
    buy(trader, "0.5", sl="1.09500")
    page.locator("[name=sl]").first.fill("")  # its draft would lie on the line
    trader.until("document.querySelector('table.positions [data-cell=sl]').innerText === '1.09500'")

    drag(trader, 20)
    page.locator(".toast", has_text="Stop loss of #").wait_for()
    moved = stop_of(stack)
    assert "1.09500" < moved < "1.09990"
    trader.until("sl => document.querySelector('table.positions [data-cell=sl]').innerText === sl", moved)

    page.get_by_role("button", name="Undo").click()
    page.locator(".toast", has_text="is back where it was").wait_for()
    assert stop_of(stack) == "1.09500"

    x, y = lowest_line(trader)
    page.mouse.down()
    page.mouse.move(x, y - 20, steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    drag(trader, 400)  # above the market: the server says no
    page.locator(".toast.bad").wait_for()
    assert "[invalid_stops]" in trader.text(".toast.bad")
    assert stop_of(stack) == "1.09500"
    close_all(trader)


def test_ticket_when_stops_are_typed_as_money_or_points_then_prices_are_sent(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    stops_by = page.get_by_role("group", name="Stops by")
    stops_by.get_by_role("button", name="USD").click()

    buy(trader, "0.1", sl="50", tp="100.05")
    sql = "SELECT sl::text, tp::text FROM positions_position WHERE status = 'open'"
    # 0.1 lots: a point is worth 0.10; the target takes the point above.
    assert stack.rows(sql) == [("1.09500", "1.11001")]
    close_all(trader)

    stops_by.get_by_role("button", name="Points").click()
    assert page.locator("[name=sl]").first.input_value() == "500"
    buy(trader, "0.1", sl="250", tp="300")
    assert stack.rows(sql) == [("1.09750", "1.10300")]
    close_all(trader)
    stops_by.get_by_role("button", name="Price").click()


def test_rows_when_sorted_then_in_order_and_under_the_pointer_they_stay(at_market: Trader) -> None:
    trader, page = at_market, at_market.page
    for volume in ("0.1", "0.3", "0.2"):
        buy(trader, volume)
    volumes = "[...document.querySelectorAll('table.positions tr:not(.gone) [data-cell=volume]')].map(c => c.innerText)"

    page.locator("table.positions thead").get_by_role("button", name="Volume").click()
    assert page.evaluate(volumes) == ["0.30", "0.20", "0.10"]
    assert page.locator("table.positions th[aria-sort=descending]").inner_text().startswith("Volume")
    page.locator("table.positions thead").get_by_role("button", name="Volume").click()
    assert page.evaluate(volumes) == ["0.10", "0.20", "0.30"]

    trader.row("positions", 1).hover()
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    page.keyboard.type("0.15b")
    trader.armed()
    page.keyboard.press("Enter")
    trader.row("positions", 3).wait_for()
    assert page.evaluate(volumes) == ["0.10", "0.20", "0.30", "0.15"]
    page.mouse.move(5, 5)
    trader.until(f"{volumes}.join() === '0.10,0.15,0.20,0.30'")
    page.locator("table.positions thead").get_by_role("button", name="Volume").click()
    close_all(trader)


def test_history_when_days_are_chosen_then_only_theirs_are_shown(at_market: Trader) -> None:
    trader, page = at_market, at_market.page
    buy(trader, "0.01")
    close_all(trader)
    page.keyboard.press("4")
    trader.row("deals").wait_for()
    panel = page.locator("[data-book=history]")

    panel.get_by_label("To day").fill("2020-01-01")
    trader.wait_empty("deals")
    assert panel.locator(".empty").inner_text() == "No deals."
    panel.get_by_role("button", name="Today").click()
    trader.row("deals").wait_for()
    assert panel.get_by_role("button", name="Today").get_attribute("aria-pressed") == "true"


def test_request_when_its_answer_came_too_late_then_its_outcome_is_told(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.expected = ("503", "404")
    page.get_by_role("button", name="Limit", exact=True).click()
    page.get_by_label("Price", exact=True).first.fill("1.05000")
    trader.choose("buy")
    trader.armed().click()
    wait_until(lambda: stack.rows("SELECT ticket FROM orders_order WHERE status = 'pending'"), "the order")
    ((ticket,),) = stack.rows("SELECT ticket FROM orders_order WHERE status = 'pending'")
    body = f'{{"code": "unavailable", "message": "", "ticket": {ticket}}}'
    page.route(
        "**/api/v1/orders/",
        lambda route: route.fulfill(status=503, content_type="application/json", body=body),
    )

    page.get_by_label("Price", exact=True).first.fill("1.05000")
    trader.choose("buy")
    trader.armed().click()
    page.locator(".ticket .form-error:visible").wait_for()
    assert "It never reached the desk: nothing was done." in trader.text(".ticket .form-error:visible")
    page.evaluate(
        "async t => (await import('/static/portal/js/lib/api.js')).get(`/orders/${t}/`)"  # the session is well
        ".then(() => fetch(`/api/v1/orders/${t}/`, {method: 'DELETE', headers: {'X-CSRFToken':"
        " document.cookie.match(/csrftoken=([^;]+)/)[1]}}))",
        ticket,
    )

    page.locator(".toast", has_text="was done after all: canceled").wait_for()


def test_connection_when_no_price_comes_then_the_sign_says_so(at_market: Trader) -> None:
    at_market.page.evaluate(
        "async () => { (await import('/static/portal/js/lib/store.js')).store.quotedMs = Date.now() - 31000; }"
    )

    at_market.until("document.querySelector('#connection').textContent === 'No prices for 30 s'")
    assert at_market.page.locator("#connection").get_attribute("data-state") == "quiet"


def test_account_when_the_socket_is_cut_off_from_it_then_it_is_asked_for_again(
    open_page: Callable[..., Trader],
) -> None:
    trader = open_page()
    sides: list[Any] = []

    def between(page_side: Any) -> None:
        page_side.connect_to_server()
        sides.append(page_side)

    trader.page.route_web_socket("**/ws/", between)
    trader.log_in()
    socket = "(await import('/static/portal/js/lib/socket.js')).socket"

    sides[0].send('{"type": "error", "code": "not_found", "message": "It is gone.", "account": 1001}')
    trader.page.locator("#connection[data-state=connecting]").wait_for()
    trader.page.evaluate(f"async () => {{ {socket}.askedMs = 0; }}")

    trader.wait_live()
    assert "It is gone. [not_found]" in trader.text(".toast.bad")


def test_session_when_it_ended_in_another_tab_then_the_terminal_asks_to_log_in_again(
    trader: Trader,
) -> None:
    trader.expected = ("401", "WebSocket")
    other = trader.page.context.new_page()
    other.goto(trader.stack.url + "/")
    other.get_by_text(USER, exact=True).click()
    other.get_by_role("button", name="Log out").click()

    trader.page.get_by_text("Your session has ended").wait_for()
    assert trader.page.url.endswith("/login/?ended=1&next=%2F")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_page_when_read_in_a_theme_then_everything_stands_out(trader: Trader, theme: str) -> None:
    page = trader.page
    if page.evaluate("document.documentElement.dataset.theme") != theme:
        page.keyboard.press("t")
    looks: list[Any] = []

    page.locator("[name=sl]").first.fill("1.2")
    looks += page.evaluate(SEEN)
    for key in ("p", "2", "3", "4", "5", "?"):
        page.keyboard.press("Escape")
        page.keyboard.press(key)
        looks += page.evaluate(SEEN)
    page.keyboard.press("Escape")
    page.evaluate("document.body.classList.add('is-stale')")
    looks += page.evaluate(SEEN)

    assert looks == []


def test_phone_when_pressed_by_a_finger_then_everything_is_large_enough(
    open_page: Callable[..., Trader],
) -> None:
    phone = open_page(width=390, height=844, phone=True)
    phone.log_in()
    small = """least => [...document.querySelectorAll('button, input:not([type=hidden]), select, summary')]
        .filter(one => one.offsetParent).map(one => [one, one.type === 'checkbox' ? one.closest('label') : one])
        .filter(([, area]) => area.getBoundingClientRect().height < least).map(([one]) => one.outerHTML)"""

    for view in ("Markets", "Chart", "Trade", "Account"):
        phone.page.get_by_role("button", name=view, exact=True).click()
        assert phone.page.evaluate(small, FINGER_PX) == []
    for tab in ("orders", "smart", "history", "ledger"):
        phone.page.locator(f"#panel-book [data-tab={tab}]").click()
        phone.until(
            "tab => !document.querySelector(`[data-book=${tab}] .scroll`).innerText.includes('Loading')", tab
        )
        assert phone.page.evaluate(small, FINGER_PX) == []
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_ledger_when_its_curve_is_asked_for_then_it_is_drawn_from_the_entries(
    at_market: Trader, stack: Stack
) -> None:
    page = at_market.page
    page.keyboard.press("5")
    page.get_by_role("button", name="Balance curve").click()

    at_market.until("document.querySelector('.curve-canvas canvas') !== null")
    ((entries, balance),) = stack.rows(
        "SELECT count(*), (SELECT balance FROM accounts_account WHERE login = 1001)"
        " FROM accounts_ledgerentry WHERE login = 1001"
    )
    assert at_market.text(".curve-note") == (
        f"Balance after each of {entries} entries: 10,000.00 to {balance:,.2f} USD"
    )
    page.get_by_role("button", name="Balance curve").click()
    at_market.row("ledger").wait_for()


def test_sound_when_nobody_asked_for_it_then_it_is_off_and_a_choice_is_kept(trader: Trader) -> None:
    page = trader.page
    button = page.locator("#sound-button")
    assert button.text_content() == "Sound: off"

    page.get_by_text(USER, exact=True).click()
    button.click()
    page.reload()

    trader.until("document.querySelector('#sound-button').textContent === 'Sound: on'")


def test_terminal_when_it_knows_nothing_yet_then_it_says_loading_and_sends_nothing(
    open_page: Callable[..., Trader],
) -> None:
    trader = open_page()
    held: list[Any] = []
    trader.page.route("**/api/v1/accounts/", lambda route: held.append(route))
    trader.page.goto(trader.stack.url + "/")
    trader.page.get_by_label("Username").fill(USER)
    trader.page.get_by_label("Password").fill(PASSWORD)
    trader.page.get_by_role("button", name="Log in").click()
    trader.page.locator("[data-book=positions] .empty").wait_for()

    assert trader.text("[data-book=positions] .empty") == "Loading …"
    assert trader.page.locator(".confirm:visible").get_attribute("aria-disabled") == "true"
    assert trader.text(".ticket-why:visible") == "The connection is gone: nothing can be sent."
    held[0].continue_()
    trader.wait_live()
    trader.until("document.querySelector('[data-book=positions] .empty').innerText === 'No open positions.'")
    trader.choose("sell")
    assert trader.armed().inner_text().startswith("Sell ")
