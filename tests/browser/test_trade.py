"""A trader's first minutes: log in, buy, see profit move, close, and read why."""

import re
import sys
from typing import Any

import pytest

from tests.browser.conftest import Trader
from tests.stack import Stack, wait_until


@pytest.fixture(scope="module", autouse=True)
def feed(stack: Stack) -> None:
    """Start the simulated market, the same walk each time."""
    words = ["simulate", "--seed", "7", "--rate", "3", "--symbols", "EURUSD", "BTCUSDT"]
    stack.start("feed", [sys.executable, "manage.py", "feed", *words])
    wait_until(lambda: len(stack.rows("SELECT symbol FROM markets_quote")) == 2, "the first quotes")


def _position_volume(stack: Stack) -> Any:
    return stack.rows("SELECT volume FROM positions_position WHERE status = 'open'")


def test_trader_when_he_buys_then_profit_moves_and_closing_books_it(trader: Trader, stack: Stack) -> None:
    page = trader.page
    trader.until("document.querySelector('.side.buy .side-price').textContent !== '–'")
    ((before,),) = stack.rows("SELECT balance FROM accounts_account WHERE login = 1001")

    page.keyboard.press("b")
    page.get_by_label("Volume, lots").first.fill("0.5")
    assert trader.armed().inner_text() == "Buy 0.5 EURUSD at market"
    trader.armed().click()
    trader.row("positions").wait_for()

    assert trader.cell("positions", "symbol") == "EURUSD"
    assert trader.cell("positions", "side") == "▲ Buy"
    assert trader.cell("positions", "volume") == "0.50"
    assert [str(volume) for (volume,) in _position_volume(stack)] == ["0.50"]
    first = trader.cell("positions", "profit")
    trader.until(
        "before => document.querySelector('table.positions [data-cell=profit]').innerText.trim() !== before",
        first,
    )
    assert re.fullmatch(r"(▲ \+|▼ −)?[\d,]+\.\d\d", trader.cell("positions", "profit"))
    equity = trader.text("[data-figure=equity]")
    trader.until("before => document.querySelector('[data-figure=equity]').innerText !== before", equity)

    trader.row("positions").get_by_role("button", name="Close position").click()
    trader.wait_empty("positions")

    ((profit, balance),) = stack.rows(
        "SELECT d.profit, a.balance FROM positions_deal d JOIN accounts_account a USING (login)"
        " WHERE direction = 'out' ORDER BY d.ticket DESC LIMIT 1"
    )
    assert balance == before + profit
    trader.until(
        "want => document.querySelector('[data-figure=balance]').innerText === want", f"{balance:,.2f}"
    )

    page.keyboard.press("4")
    page.get_by_role("button", name="Why?").first.click()
    story = page.locator("dialog .story")
    story.wait_for()
    assert story.inner_text().startswith("You closed 0.5 lots")


def test_trader_when_he_closes_a_part_then_the_rest_stays(trader: Trader, stack: Stack) -> None:
    page = trader.page
    page.keyboard.press("s")
    page.get_by_label("Volume, lots").first.fill("0.4")
    trader.armed()
    page.keyboard.press("Enter")
    trader.row("positions").wait_for()

    trader.row("positions").get_by_role("button", name="Close a part").click()
    page.get_by_label("Volume to close, lots").fill("0.1")
    page.get_by_role("button", name="Close part").click()
    trader.until("document.querySelector('table.positions [data-cell=volume]').innerText === '0.30'")

    assert [str(volume) for (volume,) in _position_volume(stack)] == ["0.30"]
    trader.row("positions").get_by_role("button", name="Close position").click()
    trader.wait_empty("positions")


def test_trader_when_he_places_and_changes_a_pending_order_then_the_desk_has_it(
    trader: Trader, stack: Stack
) -> None:
    page = trader.page
    page.get_by_role("button", name="Limit", exact=True).click()
    page.get_by_label("Volume, lots").first.fill("0.2")
    page.get_by_label("Price", exact=True).fill("1.00000")
    trader.choose("buy")
    assert trader.armed().inner_text() == "Buy limit 0.2 EURUSD"
    trader.armed().click()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    trader.row("orders").wait_for()
    assert trader.cell("orders", "price") == "1.00000"

    trader.row("orders").get_by_role("button", name="Modify").click()
    page.locator("dialog").get_by_label("Price", exact=True).fill("1.00500")
    page.get_by_role("button", name="Save").click()
    trader.until("document.querySelector('table.orders [data-cell=price]').innerText === '1.00500'")

    trader.row("orders").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel order", exact=True).click()
    trader.wait_empty("orders")
    assert stack.rows("SELECT price::text, status FROM orders_order WHERE type = 'buy_limit'") == [
        ("1.00500", "canceled")
    ]


def test_trader_when_he_types_a_letter_in_the_volume_then_it_chooses_the_side(trader: Trader) -> None:
    page = trader.page
    page.keyboard.press("v")

    page.keyboard.type("0.3s")

    assert trader.text(".confirm:visible") == "Sell 0.3 EURUSD at market"
    assert page.evaluate("document.activeElement.classList.contains('confirm')")


def test_trader_when_an_order_is_refused_then_the_code_is_told_in_words(trader: Trader) -> None:
    trader.expected = ("400", "409")
    page = trader.page
    page.get_by_label("Volume, lots").first.fill("99")
    trader.choose("buy")
    trader.armed().click()

    page.locator(".ticket .form-error:visible").wait_for()
    assert "[no_money]" in trader.text(".ticket .form-error:visible")
    assert page.locator("table.positions tbody tr").count() == 0
