"""What a trader has typed, set or declined is kept: a plan while they look at another symbol, a deviation, a no."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import Trader
from tests.browser.test_requote import DIALOG, armed, counted, let_stand, offered, see_old_price
from tests.browser.test_slips import ask, ready
from tests.stack import Stack, wait_until


@pytest.fixture(autouse=True)
def market(stack: Stack) -> None:
    """Put EURUSD at its price, and let offers stand longer than a busy machine needs."""
    stack.tick("BTCUSDT", "42999.00", "43000.00")
    stack.tick("EURUSD", "1.09990", "1.10000")
    let_stand(stack, "60")
    stack.rows("UPDATE orders_requoteoffer SET expires_at = now() RETURNING login")


@pytest.fixture
def at_market(trader: Trader) -> Trader:
    """Return a trader who sees EURUSD at its price; a requote is answered 409."""
    trader.expected = ("409", "404", "504")
    return ready(trader)


def look_at(trader: Trader, symbol: str) -> None:
    """Click a symbol of the market watch."""
    trader.page.locator("#panel-watch").get_by_text(symbol, exact=True).first.click()
    trader.until(
        "async name => (await import('/static/portal/js/lib/store.js')).store.selected === name", symbol
    )


def test_plan_when_another_symbol_is_looked_at_meanwhile_then_it_stands_as_it_was_typed(
    at_market: Trader,
) -> None:
    trader, page = at_market, at_market.page
    page.keyboard.press("p")
    form = page.locator(".smart-builder")
    form.get_by_role("button", name="Buy", exact=True).click()
    form.get_by_label("Volume, lots").fill("0.7")
    form.get_by_label("Level 1: price").fill("1.10777")
    form.get_by_label("Stop loss", exact=True).fill("1.09123")
    form.get_by_label("Callback, %").fill("0.3")

    look_at(trader, "BTCUSDT")
    assert form.locator(".levels li").count() == 0
    assert form.get_by_label("Stop loss", exact=True).input_value() == ""
    assert form.get_by_label("Callback, %").input_value() == ""
    look_at(trader, "EURUSD")

    assert form.get_by_label("Volume, lots").input_value() == "0.7"
    assert form.get_by_label("Level 1: price").input_value() == "1.10777"
    assert form.locator(".levels li").count() == 3
    assert form.get_by_label("Stop loss", exact=True).input_value() == "1.09123"
    assert form.get_by_label("Callback, %").input_value() == "0.3"
    assert trader.armed().inner_text() == "Start plan: buy 0.7 EURUSD"
    look_at(trader, "EURUSD")  # the same symbol once more takes nothing either
    assert form.get_by_label("Level 1: price").input_value() == "1.10777"


def test_close_when_a_deviation_is_set_then_it_is_bounded_by_the_price_that_was_seen(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    page.get_by_label("Max. deviation, pt").fill("3")
    trader.choose("buy")
    trader.armed().click()
    trader.row("positions").wait_for()
    page.wait_for_timeout(800)  # a row's buttons are deaf at first
    before = counted(stack)
    page.evaluate(
        """async () => { const {store} = await import('/static/portal/js/lib/store.js');
            for (const one of store.positions.values()) store.livePositions[one.ticket] = {
                ...store.livePositions[one.ticket], price: '1.10050'}; }"""
    )

    trader.row("positions").locator("button.close").click()

    page.locator(DIALOG).wait_for()
    assert counted(stack) == (before[0] + 1, before[1])
    told = stack.rows(
        "SELECT expected_price::text, deviation, error FROM orders_order ORDER BY ticket DESC LIMIT 1"
    )[0]
    assert told == ("1.10050", 3, "requote")
    armed(trader)
    page.locator(f"{DIALOG} button[type=submit]").click()
    page.locator(DIALOG).wait_for(state="detached")
    wait_until(lambda: counted(stack)[1] == before[1] + 1, "the deal")


def test_offer_when_declined_then_it_does_not_come_again_after_the_page_is_loaded_anew(
    at_market: Trader, stack: Stack
) -> None:
    trader, page = at_market, at_market.page
    see_old_price(trader)
    dialog = offered(trader)
    armed(trader)
    page.reload()  # nothing was answered yet: it is asked again
    trader.wait_live()
    dialog.wait_for()
    armed(trader)
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    page.reload()
    trader.wait_live()
    page.wait_for_timeout(1500)

    assert dialog.count() == 0
    standing = stack.rows("SELECT count(*) FROM orders_requoteoffer WHERE expires_at > now()")[0][0]
    assert int(standing) == 1
    assert "requote" in str(ask(trader, "GET", "accounts/1001/"))
    offered(trader)  # another one does


def test_offer_when_on_a_phone_then_its_prices_stand_on_one_line(
    open_page: Callable[..., Trader], stack: Stack
) -> None:
    phone = open_page(width=360, height=740, phone=True)
    phone.expected = ("409",)
    phone.log_in()
    dialog = offered(phone)

    for cell in dialog.locator(".facts dd, .facts dt").all():
        box = cell.bounding_box()
        assert box["height"] < 30, cell.inner_text()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    assert "1.1" in phone.text(f"{DIALOG} .facts dd")
