"""The ledger: every change of balance and credit, with what it came from."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import LedgerEntry
from manager.admin import show
from manager.admin.base import ScopedAdmin
from manager.admin.filters import LoginGroupFilter, SinceFilter
from manager.admin.record import Section, facts
from manager.admin.tables import login


@admin.register(LedgerEntry)
class LedgerAdmin(ScopedAdmin):
    """Every change of balance and credit."""

    heading = "Ledger"
    nothing = "Nothing was booked."
    list_display = (
        "shown_time", "shown_login", "shown_seq", "kind", "shown_amount", "shown_balance", "shown_credit",
        "shown_deal", "comment", "actor",
    )  # fmt: skip
    list_display_links = ("shown_seq",)
    list_filter = ("kind", SinceFilter, LoginGroupFilter)
    search_numbers = ("login", "deal")
    search_words = ("comment__icontains", "actor")
    search_help_text = "Login, deal, a word of the comment, or who"
    ordering = ("-id",)

    def sections(self, request: HttpRequest, obj: LedgerEntry) -> list[Section]:
        """Return the entry with its links."""
        return [
            Section(
                "Booked",
                facts(
                    ("Account", login(obj.login)), ("Number", obj.seq), ("Kind", obj.get_kind_display()),
                    ("Amount", show.gain(obj.amount)), ("Time", show.time(obj.time)), ("By", obj.actor),
                    ("Comment", obj.comment),
                ),
            ),
            Section(
                "After it",
                facts(("Balance", show.number(obj.balance_after)), ("Credit", show.number(obj.credit_after))),
            ),
            Section(
                "Came from",
                facts(
                    ("Order", show.link("orders_order", obj.order)), ("Deal", show.link("positions_deal", obj.deal)),
                )
                or [("By hand", "a balance operation")],
            ),
        ]  # fmt: skip

    @admin.display(description="Entry", ordering="seq")
    def shown_seq(self, obj: LedgerEntry) -> str:
        """Return its number among the account's entries."""
        return f"#{obj.seq}"

    @admin.display(description="Time", ordering="time")
    def shown_time(self, obj: LedgerEntry) -> Any:
        """Return when it was booked."""
        return show.time(obj.time)

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: LedgerEntry) -> Any:
        """Return the account."""
        return login(obj.login)

    @admin.display(description="Amount", ordering="amount")
    def shown_amount(self, obj: LedgerEntry) -> Any:
        """Return the amount with its sign."""
        return show.gain(obj.amount)

    @admin.display(description="Balance after")
    def shown_balance(self, obj: LedgerEntry) -> Any:
        """Return the balance it left."""
        return show.number(obj.balance_after)

    @admin.display(description="Credit after")
    def shown_credit(self, obj: LedgerEntry) -> Any:
        """Return the credit it left."""
        return show.number(obj.credit_after)

    @admin.display(description="Deal")
    def shown_deal(self, obj: LedgerEntry) -> Any:
        """Return the deal that it came from."""
        return show.link("positions_deal", obj.deal)
