"""The ticket walks the table of order types: every kind on both sides, and no other."""

from engine.order_types import OrderType
from tests.browser.conftest import Trader


def test_ticket_when_each_type_is_chosen_then_it_asks_for_the_prices_of_its_row(trader: Trader) -> None:
    page = trader.page
    kinds = page.get_by_role("group", name="Order type").get_by_role("button")
    facts = [row.as_facts() for row in OrderType]
    assert kinds.all_inner_texts() == list(dict.fromkeys(row["kind_label"] for row in facts))

    for row in facts:
        page.get_by_role("group", name="Order type").get_by_role(
            "button", name=row["kind_label"], exact=True
        ).click()
        page.get_by_label("Volume, lots").first.fill("0.2")
        if not row["is_market"]:
            page.get_by_label("Trigger price" if row["has_limit"] else "Price", exact=True).fill("1.00000")
        assert page.get_by_label("Limit price", exact=True).is_visible() is row["has_limit"]
        assert page.get_by_label("Expiry", exact=True).is_visible() is not row["is_market"]
        if row["has_limit"]:
            page.get_by_label("Limit price", exact=True).fill("1.00100")
        trader.choose(row["side"])
        market = " at market" if row["is_market"] else ""
        trader.until(
            "words => document.querySelector('.ticket .confirm').innerText === words",
            f"{row['label']} 0.2 EURUSD{market}",
        )


def test_builder_when_entries_are_offered_then_they_are_those_that_types_serve(trader: Trader) -> None:
    page = trader.page
    page.get_by_role("tab", name="Smart order", exact=True).click()
    served = list(dict.fromkeys(row.entry.value for row in OrderType if row.entry))

    offered = page.locator("select[id^=entry] option").evaluate_all("all => all.map(one => one.value)")

    assert offered == [*served, "position"]
