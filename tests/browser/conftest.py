"""A real Chromium against a real server: daphne, desk, PostgreSQL, Redis and feed, all started here.

Where there is no Chromium or no Playwright, the tests are skipped and say so. A page that logs an error or
raises one fails its test, whatever else it showed.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.words import PASSWORD, USER
from tests.services import Services
from tests.stack import Stack

LIMIT_MS = 30_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder as the browser's."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def _chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    return (
        named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Return a headless Chromium.

    It ends with this folder's tests: while Playwright is there, its event loop counts as running, in which Django's
    ORM refuses to work for every test that comes after in the same process.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = _chromium()
    if path is None:
        pytest.skip("there is no Chromium on this machine (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def stack(browser: Any, services: Services) -> Iterator[Stack]:
    """Return a running server with the trader's accounts in it."""
    with Stack(services, environment={"API_USER_RATE": "5000"}) as running:
        running.run("-m", "tests.browser.seed")
        yield running


# Ends what the account of the page still has, by requests beside the page's own, and waits until the page knows.
END_ALL = """async () => {
    const {store, isLiveSmart} = await import("/static/portal/js/lib/store.js");
    const token = document.cookie.match(/csrftoken=([^;]+)/)[1];
    const send = async (method, path) => {
        const headers = {"Content-Type": "application/json", "X-CSRFToken": token};
        const answer = await fetch("/api/v1/" + path, {method, headers, body: method === "POST" ? "{}" : null});
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    };
    const plans = () => [...store.smarts.values()].filter(isLiveSmart);
    for (const plan of plans()) await send("POST", `smart-orders/${plan.id}/cancel/`);
    while (plans().length) await new Promise((done) => setTimeout(done, 20));
    for (const ticket of store.orders.keys()) await send("DELETE", `orders/${ticket}/`);
    for (const ticket of store.positions.keys()) await send("POST", `positions/${ticket}/close/`);
    while (store.orders.size + store.positions.size) await new Promise((done) => setTimeout(done, 20));
}"""


class Trader:
    """A logged-in page and the words for what one does in it."""

    def __init__(self, page: Any, stack: Stack) -> None:
        self.page, self.stack = page, stack
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()
        page.set_default_timeout(LIMIT_MS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.faults.append(line.text))

    def log_in(self) -> None:
        """Log in by the page and wait until the account is live."""
        self.page.goto(self.stack.url + "/")
        self.page.get_by_label("Username").fill(USER)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.wait_live()

    def wait_live(self) -> None:
        """Wait for the first snapshot; a market without ticks may have fallen silent since."""
        self.page.locator("#connection:is([data-state=live], [data-state=quiet])").wait_for()

    def end_all(self) -> None:
        """Cancel and close what earlier tests left to the account, and wait until its places in the tables are gone, too."""
        self.page.evaluate(END_ALL)
        self.until("!document.querySelector('table.positions tbody tr, table.orders tbody tr')")

    def text(self, selector: str) -> str:
        """Return the visible text of the first element."""
        return str(self.page.locator(selector).first.inner_text()).strip()

    def until(self, expression: str, argument: Any = None) -> None:
        """Wait until an expression of the page's script is true.

        Playwright's own waiting evaluates inside the page, which the page's policy rightly forbids.
        """
        end = time.monotonic() + LIMIT_MS / 1000
        while not self.page.evaluate(expression, argument):
            if time.monotonic() > end:
                told = self.page.locator(".toast").all_inner_texts()
                pytest.fail(f"it did not become true: {expression} {argument or ''}; the page told {told}")
            self.page.wait_for_timeout(50)

    def row(self, table: str, number: int = 0) -> Any:
        """Return a row of a live table, the newest first; places of rows that left are none."""
        return self.page.locator(f"table.{table} tbody tr:not(.gone)").nth(number)

    def wait_empty(self, table: str) -> None:
        """Wait until a live table has no row left."""
        self.until("table => !document.querySelector(`table.${table} tbody tr:not(.gone)`)", table)

    def armed(self) -> Any:
        """Wait until the ticket or the builder that is seen may be sent, and return its button."""
        button = self.page.locator(".confirm:visible")
        self.until(
            "() => [...document.querySelectorAll('.confirm')]"
            ".some(one => one.offsetParent && !one.disabled && one.ariaDisabled !== 'true')"
        )
        return button

    def choose(self, side: str) -> None:
        """Choose Buy or Sell on the ticket."""
        self.page.locator(f".ticket:visible .side.{side}").click()

    def cell(self, table: str, name: str, number: int = 0) -> str:
        """Return the text of a cell."""
        return str(self.row(table, number).locator(f"[data-cell={name}]").inner_text()).strip()

    def unexpected(self) -> list[str]:
        """Return what the page complained of and was not expected to."""
        return [fault for fault in self.faults if not any(word in fault for word in self.expected)]


@pytest.fixture(autouse=True)
def nobody_chose(stack: Stack) -> None:
    """Let no user have chosen anything yet: one click, to be asked before a close, a time zone."""
    stack.rows("DELETE FROM accounts_preference RETURNING id")


@pytest.fixture
def open_page(browser: Any, stack: Stack) -> Iterator[Callable[..., Trader]]:
    """Return a maker of pages with cookies of their own; each must end without an error in its console."""
    opened: list[tuple[Any, Trader]] = []

    def make(*, width: int = 1366, height: int = 768, phone: bool = False) -> Trader:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark", is_mobile=phone, has_touch=phone
        )
        trader = Trader(context.new_page(), stack)
        opened.append((context, trader))
        return trader

    yield make
    faults = [fault for _, trader in opened for fault in trader.unexpected()]
    for context, _ in opened:
        context.close()
    assert not faults, faults


@pytest.fixture
def trader(open_page: Callable[..., Trader]) -> Trader:
    """Return a logged-in trader at a desktop, whose account 1001 has no position, order or plan."""
    made = open_page()
    made.log_in()
    made.end_all()
    return made
