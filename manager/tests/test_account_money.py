"""An account's page shows money of one moment."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from manager.admin import account_page


def shown(monkeypatch: pytest.MonkeyPatch, live: dict[str, Any] | None) -> dict[str, str]:
    monkeypatch.setattr(account_page, "flags", lambda obj: "")
    obj = SimpleNamespace(
        login=1001, live=live, digits=2, currency="USD", balance=Decimal("900.00"), credit=Decimal("50.00"),
        group=SimpleNamespace(margin_call=Decimal(100), stop_out=Decimal(50), stop_out_unit="percent"),
    )  # fmt: skip
    return {name: str(value) for name, value in account_page._money(obj).facts}


def test_money_when_the_row_is_newer_than_the_desks_figures_then_all_are_the_desks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A withdrawal of 100 is in the row already, and not yet in what the desk has shown.
    live = {
        "balance": "1000.00", "credit": "50.00", "floating": "25.00", "equity": "1075.00", "margin": "10.00",
        "free_margin": "1065.00", "margin_level": "10750.00",
    }  # fmt: skip

    found = shown(monkeypatch, live)

    assert "1,000.00" in found["Balance"] and "50.00" in found["Credit"] and "1,075.00" in found["Equity"]


def test_money_when_the_desk_has_shown_nothing_then_all_are_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shown(monkeypatch, None)

    assert "900.00" in found["Balance"] and "950.00" in found["Equity"] and "950.00" in found["Free margin"]
