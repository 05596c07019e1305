"""A dealer's requote in a browser: priced by the page, waits for the client, is accepted, and makes one deal."""

from collections.abc import Callable
from typing import Any

from tests.browser.seed_dealer import SERVED
from tests.browser.test_manager import manager
from tests.stack import wait_until

#: Asks as the client does, or accepts what was offered, and prints what came of it.
ASK = f"""
import django; django.setup()
from dealing import services
out = services.place_order({SERVED}, symbol="EURUSD", type="buy", volume="0.01")
print(out.ticket)
"""
LONGER = """
import django; django.setup()
from dealing import services
print(services.change_settings("group", "served", {"requote_ttl": "600"}, seen={"requote_ttl": "5"}).state)
"""
ACCEPT = f"""
import django, sys; django.setup()
from dealing import services
out = services.accept_requote({SERVED}, int(sys.argv[1]))
print(out.state, out.code, out.ticket)
"""


def run(stack: Any, script: str, *words: str) -> list[str]:
    """Return the words that a script printed last."""
    return stack.run("-c", script, *words).strip().splitlines()[-1].split()


def test_requote_when_a_dealer_prices_it_twice_by_enter_then_one_offer_and_accepted_one_deal(
    open_page: Callable[..., Any],
) -> None:
    boss = manager(open_page)
    page, stack = boss.page, boss.stack
    page.set_viewport_size({"width": 1366, "height": 768})
    stack.tick("EURUSD", "1.10000", "1.10010")
    stack.run("-m", "tests.browser.seed_dealer")
    assert run(stack, LONGER) == ["done"]
    page.goto(f"{stack.url}/admin/orders/dealerrequest/?is_open__exact=1")
    wait_until(
        lambda: stack.rows("SELECT dealers FROM dealing_engineshard WHERE shard = 0")[0][0], "the dealer"
    )
    (asked,) = run(stack, ASK)
    waiting = "SELECT id FROM orders_dealerrequest WHERE is_open AND kind = 'market'"
    wait_until(lambda: len(stack.rows(waiting)) == 1, "the request in the queue")
    ((number,),) = stack.rows(waiting)

    page.goto(f"{stack.url}/admin/orders/dealerrequest/{number}/requote/")
    price = page.locator("#id_price")
    assert price.input_value() == "1.10010"
    price.fill("9")
    page.locator("button.td-button-main:enabled").wait_for()  # it is deaf for the first moment
    page.keyboard.press("Enter")
    page.get_by_text("9 is farther than 1 % of it from the market").wait_for()
    assert len(stack.rows(waiting)) == 1
    page.locator("#id_price").fill("1.10030")
    page.locator("button.td-button-main").dblclick()
    page.get_by_text("waits for the client").wait_for()
    assert stack.rows("SELECT price::text FROM orders_requoteoffer") == [("1.10030",)]

    state, code, made = (*run(stack, ACCEPT, asked), "", "")[:3]
    assert state == "done", (code, made)
    page.get_by_text("accepted").first.wait_for()
    deals = stack.rows(
        "SELECT d.price::text, d.by FROM positions_deal d JOIN orders_order o ON o.ticket = d.order"
        f" WHERE d.login = {SERVED} AND d.volume = 0.01"
    )
    assert deals == [("1.10030", "client")]
    assert stack.rows("SELECT status, error FROM orders_order WHERE ticket = %s", int(asked)) == [
        ("failed", "requote")
    ]
