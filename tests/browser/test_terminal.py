"""The terminal as a tool: it fits, it can be used from the keyboard, it tells when what it shows is old."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Trader
from tests.browser.words import USER
from tests.stack import Stack

MARKET = {"EURUSD": ("1.09990", "1.10000"), "BTCUSDT": ("64000.00", "64010.00")}


@pytest.fixture(autouse=True)
def market(stack: Stack) -> None:
    """Put both symbols at their prices."""
    for symbol, (bid, ask) in MARKET.items():
        stack.tick(symbol, bid, ask)


def test_terminal_when_the_screen_is_1366_by_768_then_nothing_scrolls_but_lists(trader: Trader) -> None:
    trader.until(
        "document.querySelector('.chart-box canvas') !== null || !document.querySelector('.chart-note').hidden"
    )

    for press in ("1", "2", "3", "4", "5", "p", "Escape"):
        trader.page.keyboard.press(press)
        assert trader.page.evaluate(
            "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
        )
    wide = "box => [box.parentElement.id || box.parentElement.dataset.book, box.scrollWidth, box.clientWidth]"
    assert (
        trader.page.evaluate(
            "[...document.querySelectorAll('.panel .scroll')].filter(box => box.scrollWidth > box.clientWidth)"
            f".map({wide})"
        )
        == []
    )


def test_phone_when_each_view_is_chosen_then_it_fits_the_width(
    open_page: Callable[..., Trader],
) -> None:
    phone = open_page(width=390, height=844, phone=True)
    phone.log_in()

    for view in ("Markets", "Chart", "Trade", "Account"):
        phone.page.get_by_role("button", name=view, exact=True).click()
        assert phone.page.locator(".panel:visible").count() == 1
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_market_watch_when_arrows_move_then_chart_and_ticket_follow(trader: Trader) -> None:
    page = trader.page
    page.locator("[data-symbol=EURUSD] button").click()

    page.keyboard.press("ArrowDown")

    trader.until("document.querySelector('.chart-title').textContent === 'BTCUSDT'")
    assert "BTCUSDT" in trader.text(".confirm:visible")
    assert page.evaluate("document.activeElement.closest('tr').dataset.symbol") == "BTCUSDT"


def test_ticket_when_arrows_step_then_volume_and_stop_stay_on_the_grid(trader: Trader) -> None:
    page = trader.page
    page.locator("[data-symbol=EURUSD] button").click()
    volume = page.get_by_label("Volume, lots").first
    volume.fill("0.1")

    volume.press("ArrowUp")
    assert volume.input_value() == "0.11"
    volume.press("Shift+ArrowDown")
    assert volume.input_value() == "0.01"
    volume.press("ArrowDown")
    assert volume.input_value() == "0.01"

    stop = page.get_by_label("Stop loss", exact=True).first
    stop.fill("1.09500")
    stop.press("ArrowUp")
    assert stop.input_value() == "1.09510"
    trader.until("document.querySelector('[name=sl]').closest('.form-row').textContent.includes('490 pt')")
    trader.until("document.querySelector('[name=sl]').closest('.form-row').textContent.includes('−4.90 USD')")


def test_help_when_asked_then_it_lists_the_keys_and_escape_closes_it(trader: Trader) -> None:
    trader.page.keyboard.press("?")
    dialog = trader.page.get_by_role("dialog")
    dialog.wait_for()
    assert "Build a smart order" in dialog.inner_text()

    trader.page.keyboard.press("Escape")

    dialog.wait_for(state="detached")


def test_theme_when_switched_then_it_is_remembered(trader: Trader) -> None:
    assert trader.page.evaluate("document.documentElement.dataset.theme") == "dark"

    trader.page.keyboard.press("t")
    trader.page.reload()

    assert trader.page.evaluate("document.documentElement.dataset.theme") == "light"


def test_connection_when_lost_then_figures_are_marked_old_and_come_back_by_themselves(
    trader: Trader, stack: Stack
) -> None:
    trader.expected = ("WebSocket", "ERR_CONNECTION_REFUSED", "Failed to load resource")
    page = trader.page

    stack.stop("daphne")
    page.locator("#connection[data-state=lost]").wait_for()
    assert "The connection is lost" in trader.text("#stale")
    assert page.evaluate("document.body.classList.contains('is-stale')")

    stack.start_web()
    trader.wait_live()
    assert page.locator("#stale").is_hidden()


def test_connection_when_a_subscription_gets_no_answer_then_it_is_asked_again(
    open_page: Callable[..., Trader],
) -> None:
    trader = open_page()
    swallowed: list[str] = []

    def between(page_side: Any) -> None:
        server_side = page_side.connect_to_server()

        def pass_on(message: str) -> None:
            if "account" in message and not swallowed:
                swallowed.append(message)
            else:
                server_side.send(message)

        page_side.on_message(pass_on)

    trader.page.route_web_socket("**/ws/", between)

    trader.log_in()

    assert len(swallowed) == 1


def test_account_when_switched_then_its_own_state_is_shown(trader: Trader) -> None:
    page = trader.page
    trader.choose("buy")
    trader.armed().click()
    trader.row("positions").wait_for()

    page.get_by_label("Account", exact=True).select_option("1002")
    trader.wait_empty("positions")
    trader.wait_live()
    page.get_by_label("Account", exact=True).select_option("1001")

    trader.row("positions").wait_for()
    trader.row("positions").get_by_role("button", name="Close position").click()
    trader.wait_empty("positions")


def test_page_when_read_by_a_machine_then_controls_have_names(trader: Trader) -> None:
    nameless = trader.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select')]
            .filter(one => one.offsetParent && one.type !== 'hidden')
            .filter(one => !(one.labels?.length || one.ariaLabel || one.textContent.trim() || one.title))
            .map(one => one.outerHTML)"""
    )

    assert nameless == []


def test_logout_when_chosen_then_the_terminal_is_closed(trader: Trader) -> None:
    trader.page.get_by_text(USER, exact=True).click()
    trader.page.get_by_role("button", name="Log out").click()
    trader.page.get_by_role("button", name="Log in").wait_for()

    trader.page.goto(trader.stack.url + "/")

    assert "/login/" in trader.page.url


def test_logout_when_requests_are_under_way_then_none_is_answered_with_a_refusal(trader: Trader) -> None:
    trader.page.evaluate(
        """async () => {
            const api = await import(location.origin + "/static/portal/js/lib/api.js");
            window.answered = 0;
            const ask = () => api.get("/accounts/").then(() => (window.answered += 1), () => {});
            setInterval(() => { ask(); ask(); ask(); }, 5);
        }"""
    )
    trader.until("window.answered > 5")

    trader.page.get_by_text(USER, exact=True).click()
    trader.page.get_by_role("button", name="Log out").click()

    trader.page.get_by_role("button", name="Log in").wait_for()
    assert trader.unexpected() == []
