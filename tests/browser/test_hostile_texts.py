"""Texts that would be markup: whatever a broker or a client typed, the terminal shows it as text and runs nothing of it."""

from tests.browser.conftest import Trader
from tests.browser.test_slips import ask, ready
from tests.stack import Stack

MARKUP = "<img src=x onerror=window.pwned=1>"
NAME = f"Anna {MARKUP}"


def test_terminal_when_every_text_is_markup_then_shown_as_text_and_nothing_runs(
    trader: Trader, stack: Stack
) -> None:
    trader.expected = ("400", "404", "409", "422", "423")
    stack.tick("EURUSD", "1.09990", "1.10000")
    stack.rows("UPDATE accounts_account SET name = %s WHERE login = 1001 RETURNING login", NAME)
    stack.rows("UPDATE markets_symbol SET description = %s WHERE name = 'EURUSD' RETURNING name", MARKUP)
    page = trader.page
    order = {"account": 1001, "symbol": "EURUSD", "type": "buy", "volume": "0.1", "comment": MARKUP}
    answers = [
        ask(trader, "POST", "orders/", order),
        ask(trader, "POST", "orders/", {**order, "type": "buy_limit", "price": "1.05"}),
        ask(trader, "POST", "orders/", {**order, "client_id": MARKUP}),
        ask(trader, "POST", "orders/", {**order, "symbol": MARKUP}),
    ]
    assert [answer.get("status") for answer in answers[:2]] == ["completed", "pending"], answers
    ask(
        trader,
        "POST",
        f"positions/{answers[0]['position']}/close/",
        {"account": 1001, "volume": "0.05", "comment": MARKUP},
    )
    page.reload()
    trader.wait_live()
    ready(trader)

    assert MARKUP in page.locator("#panel-watch").inner_text()
    assert NAME in page.locator("#account-select").inner_text()
    for key in ("1", "2", "3", "4", "5"):
        page.keyboard.press(key)
        page.wait_for_timeout(400)
        for button in page.locator("#panel-book tbody tr:not(.gone) button:visible").all()[:12]:
            if "close" in (button.get_attribute("class") or "") or button.inner_text() in ("Cancel", "×"):
                continue
            button.click()
            page.wait_for_timeout(150)
            page.keyboard.press("Escape")
    page.evaluate(
        """async markup => { const {failed, told, warned} = await import('/static/portal/js/lib/outcome.js');
            for (const say of [failed, told, warned]) say(markup); }""",
        MARKUP,
    )

    assert MARKUP in page.locator("#toasts").inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("window.pwned") is None
