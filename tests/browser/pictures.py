"""The pictures of docs/images, taken anew: `python -m tests.browser.pictures` (a Chromium is needed, see tests/browser/conftest.py).

A server of its own with the demo's rows and the simulated feed, some hours of past prices included, and a few plans whose
levels are near, so that one is reached while the pictures are taken. It writes every picture that the documentation shows,
and nothing else; what one sees in them is drawn by chance, so it is looked at before it is committed.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, LIMIT_MS, _chromium
from tests.services import SERVICES
from tests.stack import ROOT, Stack

IMAGES = ROOT / "docs" / "images"
DESK: Any = {"width": 1366, "height": 768}
PHONE: Any = {"width": 390, "height": 844}
SETTLE_MS = 1500

#: What the demo's clients do besides the demo's own trades; prices are made from the quotes of the moment.
TRADES = """
import time
from decimal import Decimal
from dealing import services
from engine.enums import By
from live import published

def away(symbol, percent, digits):
    bid = Decimal(published.quotes()[symbol][0])
    return str((bid * (1 + Decimal(percent) / 100)).quantize(Decimal(1).scaleb(-digits)))

def plan(login, symbol, side, volume, digits, levels, stop, **more):
    way = 1 if side == "buy" else -1
    rungs = [[away(symbol, way * Decimal(at), digits), share] for at, share in levels]
    done = services.place_smart(login, symbol=symbol, side=side, volume=volume, take_profits=rungs,
                                stop_loss=away(symbol, -way * Decimal(stop), digits), caller=services.Caller(actor="demo"), **more)
    print(symbol, done.state, done.code, done.message)

for side in ("buy", "sell"):
    plan(1001, "SOLUSDT", side, "100", 2, (("0.08", "30"), ("0.9", "40"), ("2", "30")), "1.5", break_even=False)
    plan(1001, "BTCUSDT", side, "0.200", 2, (("0.01", "40"), ("0.7", "35"), ("1.4", "25")), "1.2", callback="0.5")
plan(1001, "XAUUSD", "buy", "0.10", 2, (("0.5", "40"), ("0.9", "35"), ("1.5", "25")), "0.8", callback="0.4")
plan(1001, "USDJPY", "buy", "0.30", 3, (("0.4", "50"), ("0.8", "50")), "0.5")
services.place_order(1004, symbol="EURUSD", type="buy", volume="3", check_margin=False,
                     caller=services.Caller(by=By.MANAGER, actor="demo"))
"""
MANUAL = """
from dealing import services
print(services.change_settings("group", "pro", {"execution": "manual"}, seen={"execution": "auto"},
                               caller=services.Caller(actor="demo")))
"""
QUEUE = """
from dealing import services
for symbol, side, volume in (("EURUSD", "buy", "2"), ("XAUUSD", "sell", "0.4")):
    services.place_order(1003, symbol=symbol, type=side, volume=volume, caller=services.Caller(wait_s=1))
"""


def log_in(browser: Browser, stack: Stack, who: dict[str, str], *, phone: bool = False) -> Page:
    """Return the page of somebody of the demo: of staff the admin's, else the terminal."""
    is_staff = "admin" in who["role"]
    context = browser.new_context(
        viewport=PHONE if phone else DESK, color_scheme="light" if is_staff else "dark", is_mobile=phone, has_touch=phone
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"{stack.url}/{'admin/login/' if is_staff else ''}")
    page.get_by_label("Username").fill(who["username"])
    page.get_by_label("Password").fill(who["password"])
    page.keyboard.press("Enter")
    if is_staff:
        page.wait_for_url("**/admin/")
    else:
        page.locator("#connection[data-state=live]").wait_for()
    return page


def take(page: Page, name: str, part: str = "") -> None:
    """Write a picture of the page as it settles, or of a part of it."""
    page.wait_for_timeout(SETTLE_MS)
    path = IMAGES / f"{name}.png"
    if part:
        page.locator(part).screenshot(path=path)
    else:
        page.screenshot(path=path)
    print(path)


def terminal(browser: Browser, stack: Stack, client: dict[str, str]) -> None:
    """Take what docs/clients.md shows."""
    page = log_in(browser, stack, client)
    pick(page, "EURUSD")
    page.locator("table.positions tbody tr").first.wait_for()
    page.locator(".ticket:visible .side.buy").click()
    page.mouse.move(700, 300)
    take(page, "portal")
    page.keyboard.press("p")
    form = page.locator(".smart-builder")
    form.get_by_role("button", name="Buy", exact=True).click()
    form.get_by_label("Callback, %").fill("0.4")
    page.locator(".confirm:visible:not([aria-disabled=true])").wait_for()
    take(page, "clients-builder")
    pick(page, "BTCUSDT")
    page.keyboard.press("3")
    page.get_by_role("tab", name="Order", exact=True).click()
    page.locator(".ticket:visible .side.buy").click()
    page.get_by_role("button", name="Fit lines").click()
    page.mouse.move(700, 300)
    take(page, "clients-plans")
    page.keyboard.press("4")
    page.get_by_role("button", name="Why?").first.click()
    page.locator("dialog[open]:has(.facts)").wait_for()
    page.wait_for_timeout(SETTLE_MS)
    take(page, "clients-why", "dialog[open]")
    phone = log_in(browser, stack, client, phone=True)
    phone.locator("#phone-nav button[data-view=book]").tap()
    phone.locator("table.positions tbody tr").first.wait_for()
    take(phone, "clients-phone")


def pick(page: Page, symbol: str) -> None:
    """Choose a symbol of the market watch."""
    page.locator("#panel-watch").get_by_text(symbol, exact=True).first.click()
    page.locator("#panel-chart").get_by_text(symbol, exact=True).first.wait_for()


def admin(browser: Browser, stack: Stack, boss: dict[str, str]) -> None:
    """Take what docs/managers.md shows."""
    page = log_in(browser, stack, boss)
    take(page, "admin-overview")
    for name, path in (
        ("admin-accounts", "accounts/account/"),
        ("admin-smart", "orders/smartorder/"),
        ("admin-why", f"positions/deal/{stopped_out(stack)}/change/"),
    ):
        page.goto(f"{stack.url}/admin/{path}")
        take(page, name)
    page.goto(f"{stack.url}/admin/accounts/group/retail/change/")
    page.locator("#id_stop_out").fill("5000000")
    page.wait_for_timeout(SETTLE_MS)
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.get_by_text("would be stopped out").first.wait_for()
    take(page, "admin-proposal")
    stack.manage("shell", "-c", MANUAL)
    page.goto(f"{stack.url}/admin/orders/dealerrequest/?is_open__exact=1")
    page.wait_for_timeout(6000)  # the page says that its dealer is there
    stack.manage("shell", "-c", QUEUE)
    page.goto(f"{stack.url}/admin/orders/dealerrequest/?is_open__exact=1")
    take(page, "admin-queue")


def stopped_out(stack: Stack) -> int:
    """Return the deal by which the desk has closed a position for want of margin."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = stack.rows("SELECT ticket FROM positions_deal WHERE reason = 'forced_close' LIMIT 1")
        if found:
            return int(found[0][0])
        time.sleep(0.5)
    raise SystemExit("nobody was stopped out")


def main() -> int:
    """Take them all."""
    path = _chromium()
    if path is None:
        print("there is no Chromium on this machine (apt-get install chromium)", file=sys.stderr)
        return 2
    feed = ["simulate", "--seed", "11", "--past", "10"]
    limits: dict[str, str] = {"API_USER_RATE": "5000"}
    try:
        with Stack(SERVICES, feed=feed, environment=limits) as stack, sync_playwright() as driver:
            Path(stack.env["DESK_DATA"]).mkdir(exist_ok=True)
            loaded: dict[str, Any] = json.loads(stack.manage("demo", "--json", "--wait", "60"))
            print(*loaded["notes"], sep="\n")
            who = {each["username"]: each for each in loaded["logins"]}
            print(stack.manage("shell", "-c", TRADES))
            browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            time.sleep(20)  # for a level to be reached
            terminal(browser, stack, next(each for each in who.values() if "1001" in each["accounts"]))
            admin(browser, stack, who["manager"])
            browser.close()
    finally:
        SERVICES.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
