"""What each day end has left of every account: balance, credit, equity, margin and floating profit, that day's swaps included."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest

from accounts.models import Account, AccountDay
from engine.settings import currency_digits
from manager import clocks
from manager.admin import show
from manager.admin.base import LiveChangeList, ScopedAdmin
from manager.admin.filters import LoginGroupFilter, SinceFilter
from manager.admin.record import Section, facts, table_section
from manager.admin.tables import login


def completed(rows: Sequence[Any]) -> None:
    """Give each row its account's currency and the equity of the day end before it."""
    currencies = dict(
        Account.objects.filter(login__in={row.login for row in rows}).values_list("login", "currency")
    )
    earlier = AccountDay.objects.filter(login=OuterRef("login"), time__lt=OuterRef("time")).order_by("-time")
    before = dict(
        AccountDay.objects.filter(pk__in=[row.pk for row in rows])
        .order_by()
        .annotate(before=Subquery(earlier.values("equity")[:1]))
        .values_list("pk", "before")
    )
    for row in rows:
        row.currency = currencies.get(row.login, "")
        row.before = before.get(row.pk)


def section(rows: Sequence[Any], *, more: Any = None) -> Section:
    """Return the panel of an account's last day ends."""
    completed(rows)
    lines = [
        (
            show.link("accounts_accountday", d.pk, show.time(d.time)), money(d, d.balance), money(d, d.credit),
            money(d, d.floating), money(d, d.equity), change(d), money(d, d.margin),
        )
        for d in rows
    ]  # fmt: skip
    headers = ("Day end", "Balance", "Credit", "Floating", "Equity", "Since the one before", "Margin")
    return table_section("Latest day ends", headers, lines, none="No day has ended yet.", more=more)


def money(row: Any, amount: Any) -> Any:
    """Return an amount with the decimals of the account's currency."""
    return show.number(amount, digits=currency_digits(row.currency))


def change(row: Any) -> Any:
    """Return by how much the equity differs from that of the day end before."""
    return show.EMPTY if row.before is None else show.gain(row.equity - row.before)


@admin.register(AccountDay)
class AccountDayAdmin(ScopedAdmin):
    """Day ends of accounts: facts, newest first."""

    heading = "Day ends"
    nothing = "No day has ended yet."
    list_display = (
        "shown_time", "shown_login", "shown_balance", "shown_credit", "shown_floating", "shown_equity", "shown_change",
        "shown_margin", "shown_currency",
    )  # fmt: skip
    list_filter = (SinceFilter, LoginGroupFilter)
    search_numbers = ("login",)
    search_help_text = "Login"
    ordering = ("-id",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds currencies and the day ends before."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each row its currency and what it follows."""
        completed(rows)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return one day end with what it follows."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            completed([row])
        return row

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return the account as it stood, and the moment by every clock."""
        own = obj.equity - obj.balance - obj.credit - obj.floating
        at_ms = int(obj.time.timestamp() * 1000)
        return [
            Section(
                "Account",
                facts(
                    ("Account", login(obj.login)), ("Balance", money(obj, obj.balance)), ("Credit", money(obj, obj.credit)),
                    ("Floating profit", show.gain(obj.floating)), ("Swap and fees carried", show.gain(own)),
                    ("Equity", money(obj, obj.equity)), ("Margin", money(obj, obj.margin)), ("Currency", obj.currency),
                ),
            ),
            Section("The day ended", clocks.clocks_of(request, at_ms, clocks.server().time_zone)),
            Section("Since the day end before", facts(("Equity", change(obj))) or [("Equity", "it is the first")]),
        ]  # fmt: skip

    @admin.display(description="Day end", ordering="time")
    def shown_time(self, obj: Any) -> Any:
        """Return when the day ended, UTC."""
        return show.time(obj.time)

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: Any) -> Any:
        """Return the account."""
        return login(obj.login)

    @admin.display(description="Balance", ordering="balance")
    def shown_balance(self, obj: Any) -> Any:
        """Return the balance."""
        return money(obj, obj.balance)

    @admin.display(description="Credit")
    def shown_credit(self, obj: Any) -> Any:
        """Return the credit."""
        return money(obj, obj.credit)

    @admin.display(description="Floating")
    def shown_floating(self, obj: Any) -> Any:
        """Return the profit of what was open; swap and fees are in the equity."""
        return show.gain(obj.floating)

    @admin.display(description="Equity", ordering="equity")
    def shown_equity(self, obj: Any) -> Any:
        """Return the equity, that day's swaps included."""
        return money(obj, obj.equity)

    @admin.display(description="Since the one before")
    def shown_change(self, obj: Any) -> Any:
        """Return how the equity differs from the day end before."""
        return change(obj)

    @admin.display(description="Margin", ordering="margin")
    def shown_margin(self, obj: Any) -> Any:
        """Return the margin in use."""
        return money(obj, obj.margin)

    @admin.display(description="Currency")
    def shown_currency(self, obj: Any) -> str:
        """Return the account's currency."""
        return str(obj.currency)
