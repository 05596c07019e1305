"""A price offered instead of the one seen: shown with the time left, taken by intention only, and gone by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Trader
from tests.browser.test_slips import ask, ready
from tests.stack import Stack, wait_until

DIALOG = "dialog[open]:has(.requote)"
RELOAD = "from dealing import services; assert services.reload_settings('group', 'retail').state == 'done'"


def let_stand(stack: Stack, seconds: str) -> None:
    """Let offers stand for so many seconds."""
    stack.rows("UPDATE accounts_group SET requote_ttl = %s RETURNING name", seconds)
    stack.manage("shell", "-c", RELOAD)


@pytest.fixture(autouse=True)
def market(stack: Stack) -> None:
    """Put EURUSD at its price, and let offers stand longer than a busy machine needs."""
    stack.tick("EURUSD", "1.09990", "1.10000")
    let_stand(stack, "60")


@pytest.fixture
def at_market(trader: Trader) -> Trader:
    """Return a trader who sees EURUSD at its price; that a requote is answered 409 the console says by itself."""
    trader.expected = ("409", "504", "404")
    return ready(trader)


def counted(stack: Stack) -> tuple[int, int]:
    """Return how many orders and deals there are."""
    return tuple(
        int(stack.rows(f"SELECT count(*) FROM {name}")[0][0]) for name in ("orders_order", "positions_deal")
    )  # type: ignore[return-value]


def offered(trader: Trader) -> Any:
    """Let an order be requoted beside the page, and return the dialog that comes."""
    body = {
        "account": 1001,
        "symbol": "EURUSD",
        "type": "buy",
        "volume": "0.1",
        "expected_price": "1.09000",
        "deviation": 0,
    }
    answer = ask(trader, "POST", "orders/", body)
    assert answer["code"] == "requote", answer
    dialog = trader.page.locator(DIALOG)
    dialog.wait_for()
    return dialog


def armed(trader: Trader) -> None:
    """Wait until the dialog takes presses."""
    trader.until("document.querySelector('dialog[open] button[type=submit]')?.disabled === false")


def see_old_price(trader: Trader) -> None:
    """Let the page see a price that is better than the market's by now."""
    trader.page.evaluate(
        """async () => { const {store} = await import('/static/portal/js/lib/store.js');
            store.setQuote('EURUSD', ['1.09970', '1.09980', Date.now()]); store.changed('quotes'); }"""
    )


def test_ticket_when_the_price_has_moved_beyond_the_deviation_then_the_offer_is_taken_by_the_keyboard(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    page.get_by_label("Max. deviation, pt").fill("3")
    see_old_price(trader)
    trader.choose("buy")
    button = trader.armed()
    before = counted(stack)
    button.focus()
    see_old_price(trader)  # the server may have told the market's meanwhile

    page.keyboard.down("Enter")  # and held: what follows are repeats
    page.locator(DIALOG).wait_for()
    armed(trader)
    for _ in range(5):
        page.keyboard.down("Enter")
    page.locator(f"{DIALOG} button[type=submit]").focus()
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")

    assert counted(stack) == (before[0] + 1, before[1])  # the order that failed
    assert "1.10000" in trader.text(f"{DIALOG} .requote-price")
    page.locator(f"{DIALOG} .requote-price").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Accept 1.10000"
    page.keyboard.press("Enter")
    page.locator(DIALOG).wait_for(state="detached")
    wait_until(lambda: counted(stack) == (before[0] + 2, before[1] + 1), "the deal")
    price, expected, deviation = stack.rows(
        "SELECT d.price::text, o.expected_price::text, o.deviation FROM positions_deal d JOIN orders_order o"
        " ON o.ticket = d.order ORDER BY d.ticket DESC LIMIT 1"
    )[0]
    assert (price, expected, deviation) == ("1.10000", "1.09980", 3)


def test_offer_when_it_opens_then_enter_space_and_a_press_at_once_take_nothing(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    dialog = offered(trader)
    before = counted(stack)

    assert page.evaluate("document.activeElement.matches('.requote-price')")
    for key in ("Enter", "Space", "b", "a"):
        page.keyboard.press(key)
    armed(trader)
    for key in ("Enter", "Space", "b", "a"):
        page.keyboard.press(key)
    assert dialog.count() == 1
    page.keyboard.press("Escape")

    dialog.wait_for(state="detached")
    assert counted(stack) == before
    page.wait_for_timeout(500)
    assert dialog.count() == 0  # what was declined does not come again


def test_offer_when_nobody_takes_it_then_it_runs_out_and_is_told(at_market: Trader, stack: Stack) -> None:
    trader, page = at_market, at_market.page
    let_stand(stack, "2")
    dialog = offered(trader)
    before = counted(stack)

    assert trader.text(f"{DIALOG} .requote-left").endswith(" s")
    dialog.wait_for(state="detached")

    page.get_by_text("ran out; nothing was done").first.wait_for()
    assert counted(stack) == before


def test_offer_when_another_window_takes_it_then_the_dialog_goes(at_market: Trader, stack: Stack) -> None:
    trader = at_market
    dialog = offered(trader)
    (order,) = stack.rows('SELECT max("order") FROM orders_requoteoffer')[0]

    answer = ask(trader, "POST", f"orders/{order}/accept/", {"account": 1001})

    assert answer["status"] == "completed", answer
    dialog.wait_for(state="detached")


def test_deviation_when_it_is_no_whole_number_above_0_then_nothing_is_sent(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    trader.choose("buy")
    trader.armed()
    before = counted(stack)
    for typed in ("1,000", "-1", "1.5", "1e3", "9999999999"):
        page.get_by_label("Max. deviation, pt").fill(typed)
        assert page.locator(".ticket:visible .confirm:visible").get_attribute("aria-disabled") == "true", (
            typed
        )
        page.locator(".ticket:visible .confirm:visible").press("Enter")
    assert counted(stack) == before


def test_offer_when_on_a_phone_then_it_fits_and_a_tap_on_accept_takes_it(
    open_page: Callable[..., Trader], stack: Stack
) -> None:
    phone = open_page(width=390, height=844, phone=True)
    phone.expected = ("409",)
    stack.rows("UPDATE orders_requoteoffer SET expires_at = now() RETURNING login")  # what others left alone
    phone.log_in()
    dialog = offered(phone)
    armed(phone)
    box = dialog.bounding_box()
    before = counted(stack)

    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    dialog.get_by_role("button", name="Accept 1.10000").tap()
    wait_until(lambda: counted(stack)[1] == before[1] + 1, "the deal")


def test_waiting_order_and_position_when_shown_then_with_the_price_of_the_side_and_the_next_swap(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    stack.rows(
        "UPDATE markets_symbol SET swap_mode = 'money_deposit', swap_long = -3 WHERE name = 'EURUSD' RETURNING name"
    )
    stack.manage("shell", "-c", RELOAD.replace("'group', 'retail'", "'symbol', 'EURUSD'"))
    ask(
        trader, "POST", "orders/", {"symbol": "EURUSD", "type": "buy_limit", "volume": "0.1", "price": "1.05"}
    )
    position = ask(trader, "POST", "orders/", {"symbol": "EURUSD", "type": "buy", "volume": "1"})["position"]

    page.keyboard.press("2")
    trader.until("document.querySelector('table.orders [data-cell=current]')?.textContent === '1.10000'")
    page.keyboard.press("1")
    trader.until("document.querySelector('table.positions [data-cell=carry]')?.title.startsWith('Next swap')")
    shown = ask(trader, "GET", f"positions/{position}/")
    assert shown["next_swap"] in ("0.00", "-3.00", "-9.00")
