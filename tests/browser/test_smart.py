"""A three-level plan from the builder to its end, driven by recorded ticks through the feed."""

import sys
from decimal import Decimal
from pathlib import Path

from tests.browser.conftest import Trader
from tests.stack import Stack, wait_until

SPREAD = Decimal("0.00010")


def play(stack: Stack, folder: Path, bids: list[str]) -> None:
    """Feed these bids of EURUSD, 20 ms apart, through `manage.py feed replay`, and wait for its end."""
    lines = ["time,symbol,bid,ask"]
    for number, bid in enumerate(bids):
        time = f"2014-05-02T00:00:00.{number * 20:03d}Z"
        lines.append(f"{time},EURUSD,{bid},{Decimal(bid) + SPREAD}")
    path = folder / "ticks.csv"
    path.write_text("\n".join(lines) + "\n")
    words = ["replay", str(path), "--rebase"]
    part = stack.start("feed", [sys.executable, "manage.py", "feed", *words])
    process = part.process
    assert process is not None
    wait_until(lambda: process.poll() is not None, f"the end of the feed ({stack.log('feed')})")
    assert process.returncode == 0, stack.log("feed")
    stack.parts.pop("feed")


def build_plan(trader: Trader) -> None:
    """Build a buy of 1 lot with three levels, a stop, trailing and break-even, and start it."""
    page = trader.page
    page.keyboard.press("p")
    form = page.locator(".smart-builder")
    form.get_by_role("button", name="Buy", exact=True).click()
    form.get_by_label("Volume, lots").fill("1")
    for number, (price, percent) in enumerate(
        [("1.10100", "40"), ("1.10200", "35"), ("1.10300", "25")], start=1
    ):
        form.get_by_label(f"Level {number}: price").fill(price)
        form.get_by_label(f"Level {number}: percent of the volume").fill(percent)
    form.get_by_label("Stop loss", exact=True).fill("1.09500")
    form.get_by_label("Callback, %").fill("0.1")
    form.get_by_label("Break-even after level 1").set_checked(True)
    trader.until("document.querySelectorAll('.level-money.up').length === 3")
    assert "Sum 100 %" in trader.text(".level-sum")
    trader.until(
        "document.querySelector('.levels li:nth-child(1) .level-note').innerText.includes('0.4 lots')"
    )
    assert trader.armed().inner_text() == "Start plan: buy 1 EURUSD"
    trader.armed().click()
    trader.row("smarts").wait_for()


def dots(trader: Trader) -> str:
    """Return the letters of the newest plan's levels."""
    return "".join(trader.row("smarts").locator(".dot").all_inner_texts())


def wait_cell(trader: Trader, name: str, text: str) -> None:
    """Wait until a cell of the newest plan shows this text."""
    trader.until(
        "([name, text]) => document.querySelector(`table.smarts tbody tr [data-cell=${name}]`)"
        "?.innerText.trim() === text",
        [name, text],
    )


def test_plan_when_levels_fill_and_the_stop_is_reached_then_every_step_is_seen(
    trader: Trader, stack: Stack, tmp_path: Path
) -> None:
    play(stack, tmp_path, ["1.09980", "1.09990"])
    trader.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    build_plan(trader)

    # It stands: trailing 0.1 % below the entry is tighter than the stop loss.
    wait_cell(trader, "state", "Active")
    assert dots(trader) == "PPP"
    wait_cell(trader, "stop", "1.09890")
    wait_cell(trader, "source", "trailing")

    # The trailing stop follows the best bid.
    play(stack, tmp_path, ["1.10050", "1.10080"])
    wait_cell(trader, "mark", "1.10080")
    wait_cell(trader, "stop", "1.09970")

    # Level 1 fills and moves the stop to the entry.
    play(stack, tmp_path, ["1.10100", "1.10095"])
    wait_cell(trader, "state", "Partially closed")
    wait_cell(trader, "stop", "1.10000")
    wait_cell(trader, "source", "break-even")
    assert dots(trader) == "FPP"
    assert trader.page.evaluate(
        "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('table.smarts').parentElement)"
    )
    assert "1/3" in trader.cell("smarts", "levels")
    assert trader.cell("smarts", "volume") == "0.6 / 1"
    wait_cell(trader, "realised", "▲ +40.00")

    # Level 2 fills; the trailing stop has overtaken the entry.
    play(stack, tmp_path, ["1.10200", "1.10150"])
    trader.until(
        "document.querySelectorAll('table.smarts tbody tr:first-child .dot[data-status=FILLED]').length === 2"
    )
    wait_cell(trader, "stop", "1.10090")
    wait_cell(trader, "source", "trailing")

    # The stop closes the rest and cancels level 3.
    play(stack, tmp_path, ["1.10085"])
    wait_cell(trader, "state", "Stopped")
    assert dots(trader) == "FFC"
    # 0.40 lots x 100 points, 0.35 x 200, 0.25 x 85
    wait_cell(trader, "realised", "▲ +131.25")
    trader.page.keyboard.press("1")
    trader.wait_empty("positions")
    assert stack.rows(
        "SELECT d.volume::text, d.price::text FROM positions_deal d JOIN orders_smartorder USING (position)"
        " WHERE direction = 'out' AND id = (SELECT max(id) FROM orders_smartorder) ORDER BY d.ticket"
    ) == [("0.40", "1.10100"), ("0.35", "1.10200"), ("0.25", "1.10085")]


def test_plan_when_changed_and_cancelled_then_the_position_stays(
    trader: Trader, stack: Stack, tmp_path: Path
) -> None:
    play(stack, tmp_path, ["1.09990"])
    trader.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    page = trader.page
    build_plan(trader)
    wait_cell(trader, "state", "Active")

    trader.row("smarts").get_by_role("button", name="Modify").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Stop loss", exact=True).fill("1.09950")
    dialog.get_by_label("Level 3: price").fill("1.10400")
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    wait_cell(trader, "stop", "1.09950")
    wait_cell(trader, "source", "stop loss")

    trader.row("smarts").get_by_role("button", name="details").click()
    assert "1.10400" in page.locator("dialog").inner_text()
    assert "Created" in page.locator("dialog .timeline").inner_text()
    page.keyboard.press("Escape")

    trader.row("smarts").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel plan").click()
    wait_cell(trader, "state", "Cancelled")
    assert dots(trader) == "CCC"
    page.locator("dialog").wait_for(state="detached")
    page.keyboard.press("1")
    assert trader.cell("positions", "volume") == "1.00"
    trader.row("positions").get_by_role("button", name="Close position").click()
    trader.wait_empty("positions")


def test_plan_when_it_changed_meanwhile_then_the_dialog_shows_how_it_stands(
    trader: Trader, stack: Stack, tmp_path: Path
) -> None:
    trader.expected = ("409",)
    play(stack, tmp_path, ["1.09990"])
    trader.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    page = trader.page
    build_plan(trader)
    wait_cell(trader, "state", "Active")
    trader.row("smarts").get_by_role("button", name="Modify").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Stop loss", exact=True).fill("1.09900")

    play(stack, tmp_path, ["1.10100"])  # level 1 fills while the dialog is open
    wait_cell(trader, "state", "Partially closed")
    dialog.get_by_role("button", name="Save").click()

    dialog.get_by_text("[conflict]").wait_for()
    assert dialog.get_by_label("Stop loss", exact=True).input_value() == "1.09500"
    assert dialog.locator(".levels li").count() == 2
    page.keyboard.press("Escape")
    trader.row("smarts").get_by_role("button", name="Close").click()
    page.locator("dialog").get_by_role("button", name="Close now").click()
    trader.until(
        "!['Active', 'Partially closed'].includes(document.querySelector('table.smarts [data-cell=state]').innerText)"
    )


def test_builder_when_levels_are_wrong_then_the_error_stands_beside_the_level(
    trader: Trader, stack: Stack, tmp_path: Path
) -> None:
    play(stack, tmp_path, ["1.09990"])
    trader.until("document.querySelector('.side.buy .side-price').textContent === '1.10000'")
    page = trader.page
    page.keyboard.press("p")
    form = page.locator(".smart-builder")
    form.get_by_role("button", name="Buy", exact=True).click()
    form.get_by_label("Volume, lots").fill("0.1")
    form.get_by_label("Level 2: price").fill("1.10001")

    page.locator(".levels li:nth-child(2)[data-error]").wait_for()
    note = trader.text(".levels li:nth-child(2) .level-note")
    assert "Must lie beyond level 1" in note
    assert "[invalid_levels]" in note


def test_builder_when_the_tier_is_free_then_it_says_so_and_starts_nothing(
    trader: Trader, stack: Stack
) -> None:
    page = trader.page
    page.get_by_label("Account", exact=True).select_option("1002")
    trader.wait_live()
    page.keyboard.press("Escape")
    page.keyboard.press("p")

    page.locator(".notice:visible").wait_for()
    assert "[subscription_required]" in trader.text(".notice:visible")
    assert page.locator(".smart-builder .confirm").is_disabled()
    assert stack.rows("SELECT id FROM orders_smartorder WHERE login = 1002") == []
