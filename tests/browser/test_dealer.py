"""A dealer's page in a browser: who looks at the queue is online, and what they leave is executed without them."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.seed_dealer import DEALER, OTHER, SERVED
from tests.browser.words import PASSWORD
from tests.stack import Stack, wait_until

TOLD_S = 20.0
SILENCE_S = 15  # after which who does not beat is gone


@pytest.fixture(scope="module")
def dealer(stack: Stack) -> None:
    """Write the dealer and their clients' positions."""
    stack.tick("EURUSD", "1.10000", "1.10010")
    stack.run("-m", "tests.browser.seed_dealer")


# What a browser does to a tab that has been hidden for minutes, at its worst: no timer of its page fires any more.
SLOWED = "window.setInterval = () => 1; window.setTimeout = () => 1;"


def online(stack: Stack) -> Any:
    return stack.rows("SELECT dealers FROM dealing_engineshard WHERE shard = 0")[0][0]


def open_positions(stack: Stack, login: int) -> int:
    query = "SELECT count(*) FROM positions_position WHERE status = 'open' AND login = %s"
    return int(stack.rows(query, login)[0][0])


def waiting(stack: Stack) -> list[Any]:
    return stack.rows("SELECT id, login, kind FROM orders_dealerrequest WHERE is_open")


def log_in(page: Any, stack: Stack) -> None:
    page.goto(f"{stack.url}/admin/login/")
    page.get_by_label("Username").fill(DEALER)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")


def test_dealer_when_the_page_is_closed_then_the_stop_outs_of_their_groups_execute_within_20_s(
    open_page: Callable[..., Any], dealer: None
) -> None:
    made = open_page()
    page, stack = made.page, made.stack
    log_in(page, stack)
    page.goto(f"{stack.url}/admin/orders/dealerrequest/?is_open__exact=1")
    wait_until(lambda: online(stack) == [{"name": DEALER, "groups": ["serv*"]}], "the dealer's presence")

    stack.tick("EURUSD", "1.09790", "1.09800")
    wait_until(lambda: open_positions(stack, OTHER) == 0, "the stop-out of a group without a dealer")
    ((number, login, kind),) = waiting(stack)
    assert (login, kind, open_positions(stack, SERVED)) == (SERVED, "stop_out", 1)

    # The page of an answer belongs to the queue: who thinks about it has not gone.
    page.goto(f"{stack.url}/admin/orders/dealerrequest/{number}/confirm/")
    time.sleep(9)
    assert [row[0] for row in waiting(stack)] == [number]
    assert online(stack)

    left = time.monotonic()
    page.close()
    wait_until(lambda: open_positions(stack, SERVED) == 0, "the stop-out of what they left", TOLD_S)

    assert time.monotonic() - left < TOLD_S
    assert waiting(stack) == []
    assert online(stack) == []
    reasons = stack.rows("SELECT reason FROM positions_deal WHERE direction = 'out' AND login = %s", SERVED)
    assert reasons == [("forced_close",)]


def test_dealer_when_the_browser_slows_the_hidden_tab_then_they_stay_online(
    open_page: Callable[..., Any], dealer: None
) -> None:
    made = open_page()
    page, stack = made.page, made.stack
    log_in(page, stack)
    page.add_init_script(SLOWED)
    beats: list[float] = []
    page.on("request", lambda one: one.url.endswith("/beat/") and beats.append(time.monotonic()))
    page.goto(f"{stack.url}/admin/orders/dealerrequest/?is_open__exact=1")
    wait_until(lambda: online(stack) != [], "the dealer's presence")

    page.wait_for_timeout(SILENCE_S * 1000 + 2000)

    assert len(beats) > SILENCE_S / 5
    assert online(stack) == [{"name": DEALER, "groups": ["serv*"]}]
    page.close()
    wait_until(lambda: online(stack) == [], "their going", TOLD_S)
