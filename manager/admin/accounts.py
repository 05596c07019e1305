"""Accounts with live figures and the ledger; money, orders and kill switches as actions."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action

from accounts.models import Account, Group, LedgerEntry
from accounts.selectors import accounts_visible_to, groups_visible_to
from dealing import services
from engine.enums import By, HaltScope
from manager import live
from manager.admin import show
from manager.admin.acting import act, act_on_each, found
from manager.admin.base import LiveChangeList, ScopedAdmin
from manager.admin.reloading import ReloadingAdmin
from manager.forms import ConfirmForm, HaltForm, MoneyForm, OrderForm
from markets.models import Symbol
from orders.models import Order
from positions.models import Position

#: Columns that the desk writes: the form never touches them.
DESK_COLUMNS = ("balance", "credit", "margin_call", "ledger_seq", "event_seq", "halt", "created_at")


class AccountForm(forms.ModelForm):
    """Settings of an account; a group of another currency or mode is refused while anything is open."""

    class Meta:
        model = Account
        fields = (
            "login", "user", "name", "group", "leverage", "tier", "agent", "enabled", "read_only", "close_only",
        )  # fmt: skip

    def clean_group(self) -> Group:
        """Refuse a move that would falsify what the account holds."""
        group: Group = self.cleaned_data["group"]
        account = self.instance
        if account._state.adding or group.name == account.group_id:
            return group
        if group.currency != account.currency:
            raise forms.ValidationError(
                f"group {group} keeps {group.currency}, the account {account.currency}"
            )
        if group.margin_mode != account.group.margin_mode and has_something_open([account.login]):
            raise forms.ValidationError(
                f"{group} is a {group.margin_mode} group: close the account's positions and orders first"
            )
        return group


def has_something_open(logins: Any) -> bool:
    """Return whether any of these accounts holds a position or a pending order."""
    return (
        Position.objects.filter(login__in=logins, status="open").exists()
        or Order.objects.filter(login__in=logins, status="pending").exists()
    )


@admin.register(Account)
class AccountAdmin(ReloadingAdmin):
    """Accounts: who, how much, how near to the edge."""

    kind = "account"
    form = AccountForm
    list_display = (
        "login", "name", "group", "shown_balance", "shown_equity", "shown_floating", "shown_margin",
        "shown_level", "shown_flags",
    )  # fmt: skip
    list_filter = ("group", "tier", "margin_call", "enabled", "read_only", "close_only", "halt")
    search_fields = ("login__startswith", "name", "user__username", "user__email")
    search_help_text = "Login, name, user name or e-mail"
    list_select_related = ("group",)
    autocomplete_fields = ("user",)
    readonly_fields = ("shown_money", "shown_more")
    fieldsets = (
        ("Money", {"fields": ("shown_money",)}),
        ("Account", {"fields": (("login", "name"), ("user", "group"), ("leverage", "tier", "agent"))}),
        ("Rights", {"fields": (("enabled", "read_only", "close_only"),)}),
        ("Open and latest", {"fields": ("shown_more",)}),
    )
    actions = ("disable", "enable", "close_all", "cancel_all")
    actions_detail = ("money", "order", "halt")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds equity and margin."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each account what the desk shows of it."""
        states = live.account_states(row.login for row in rows)
        for row in rows:
            row.live = states.get(row.login)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Account]":
        """Return the accounts that this manager may see."""
        return accounts_visible_to(request.user)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return one account with what the desk shows of it."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.add_live([row])
        return row

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Sequence[str]:
        """Return what cannot be edited: the login once it is given."""
        return (*self.readonly_fields, "login") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:
        """Return the sections; a new account has no money yet."""
        return self.fieldsets if obj else self.fieldsets[1:3]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the next free login."""
        highest = Account.objects.aggregate(high=Max("login"))["high"] or 1000
        return {"login": highest + 1}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only the groups that this manager may see."""
        if db_field.name == "group":
            kwargs["queryset"] = groups_visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def write(self, obj: Account, form: Any, *, change: bool) -> None:
        """Write the settings that changed, and nothing that the desk writes."""
        if change:
            columns = [name for name in form.changed_data if name not in DESK_COLUMNS]
            if columns:
                obj.save(update_fields=columns)
        else:
            obj.currency = obj.group.currency
            obj.save(force_insert=True)

    # Columns

    @admin.display(description="Balance", ordering="balance")
    def shown_balance(self, obj: Any) -> Any:
        """Return the balance with its currency."""
        return format_html('<span class="td-num">{} {}</span>', f"{obj.balance:,f}", obj.currency)

    @admin.display(description="Equity")
    def shown_equity(self, obj: Any) -> Any:
        """Return equity as the desk shows it; it shows accounts with positions."""
        state = obj.live
        return show.number(state["equity"]) if state else show.EMPTY

    @admin.display(description="Floating")
    def shown_floating(self, obj: Any) -> Any:
        """Return the floating profit."""
        return show.gain(obj.live["floating"]) if obj.live else show.EMPTY

    @admin.display(description="Margin")
    def shown_margin(self, obj: Any) -> Any:
        """Return the margin in use."""
        return show.number(obj.live["margin"]) if obj.live else show.EMPTY

    @admin.display(description="Level")
    def shown_level(self, obj: Any) -> Any:
        """Return the margin level with a mark where it is at the group's margin call."""
        level = obj.live and obj.live["margin_level"]
        if level is None:
            return show.EMPTY
        mark = "⚠ " if obj.margin_call else ""
        return format_html('<span class="td-num{}">{}{} %</span>', " td-loss" if mark else "", mark, level)

    @admin.display(description="State")
    def shown_flags(self, obj: Any) -> Any:
        """Return what is out of the ordinary, in words."""
        flags = [
            (not obj.enabled, "disabled", "bad"),
            (obj.margin_call, "margin call", "bad"),
            (obj.halt != "normal", f"switch: {obj.get_halt_display().lower()}", "bad"),
            (obj.read_only, "read only", "warn"),
            (obj.close_only, "close only", "warn"),
        ]
        found_ = [(kind, word) for is_so, word, kind in flags if is_so]
        return format_html_join(" ", '<span class="td-flag td-flag-{}">{}</span>', found_) or show.EMPTY

    @admin.display(description="")
    def shown_money(self, obj: Any) -> Any:
        """Return balance, equity and margin side by side."""
        state = obj.live or {}
        parts = [
            ("Balance", show.number(obj.balance)),
            ("Credit", show.number(obj.credit)),
            ("Floating", show.gain(state.get("floating"))),
            ("Equity", show.number(state.get("equity"))),
            ("Margin", show.number(state.get("margin"))),
            ("Free margin", show.number(state.get("free_margin"))),
            ("Margin level", f"{state['margin_level']} %" if state.get("margin_level") else show.EMPTY),
        ]
        cells = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", parts)
        return format_html('<dl class="td-facts">{}</dl>', cells)

    @admin.display(description="")
    def shown_more(self, obj: Any) -> Any:
        """Return links to everything that belongs to the account."""
        lists = (
            ("Open positions", "positions_position", "&status__exact=open"),
            ("Pending orders", "orders_order", "&status__exact=pending"),
            ("All orders", "orders_order", ""),
            ("Deals", "positions_deal", ""),
            ("Smart orders", "orders_smartorder", ""),
            ("Ledger", "accounts_ledgerentry", ""),
        )
        parts = [
            (reverse(f"admin:{name}_changelist"), obj.login, extra, label) for label, name, extra in lists
        ]
        return format_html_join(" ", '<a class="td-link td-chip" href="{}?login={}{}">{}</a>', parts)

    # Actions

    def _back(self, obj: Account) -> str:
        return reverse("admin:accounts_account_change", args=[obj.login])

    @action(description="Money", icon="payments", permissions=["act"])
    def money(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Deposit, withdraw, give or take credit, charge, correct."""
        account = found(self, request, object_id)
        state = account.live or {}
        return act(
            self, request,
            title=f"Move money of account {account.login}",
            form=MoneyForm(request.POST or None),
            run=lambda given: services.balance_operation(
                account.login, given["kind"], given["amount"], override=given["override"],
                comment=given["comment"], actor=request.user.get_username(),
            ),
            back=self._back(account),
            submit="Book it",
            about=[
                ("Balance", f"{account.balance:,f} {account.currency}"),
                ("Credit", f"{account.credit:,f} {account.currency}"),
                ("Free margin", state.get("free_margin", "all of it: nothing is open")),
            ],
        )  # fmt: skip

    @action(description="New order", icon="add_shopping_cart", permissions=["act"])
    def order(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Place an order for the account as a manager."""
        account = found(self, request, object_id)
        names = list(Symbol.objects.values_list("name", flat=True))
        return act(
            self, request,
            title=f"New order for account {account.login}",
            form=OrderForm(request.POST or None, symbols=names),
            run=lambda given: services.place_order(
                account.login, by=By.MANAGER, actor=request.user.get_username(),
                check_margin=not given["skip_margin"],
                **{key: value for key, value in given.items() if key != "skip_margin"},
            ),
            back=self._back(account),
            submit="Place it",
            about=[("Account", account.login), ("Name", account.name), ("Group", account.group_id)],
        )  # fmt: skip

    @action(description="Kill switch", icon="power_settings_new", permissions=["act"])
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the account's kill switch."""
        account = found(self, request, object_id)
        return act(
            self, request,
            title=f"Kill switch of account {account.login}",
            form=HaltForm(request.POST or None, initial={"level": account.halt}),
            run=lambda given: services.set_halt(
                HaltScope.ACCOUNT, account.login, given["level"], actor=request.user.get_username()
            ),
            back=self._back(account),
            submit="Turn it",
            about=[("Now", account.get_halt_display())],
        )  # fmt: skip

    def _switch(self, request: HttpRequest, rows: "QuerySet[Account]", *, on: bool) -> HttpResponse | None:
        def run(account: Account, _: dict[str, Any]) -> services.Outcome:
            # The desk writes the row with the effect: asking is enough.
            return services.change_settings(
                "account", account.login, {"enabled": on}, actor=request.user.get_username()
            )

        word = "enable" if on else "disable"
        return act_on_each(
            self, request, rows, action=word, title=f"{word.capitalize()} accounts",
            form=ConfirmForm(request.POST or None), run=run, submit=word.capitalize(),
        )  # fmt: skip

    @admin.action(description="Disable", permissions=["act"])
    def disable(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Forbid these accounts everything."""
        return self._switch(request, rows, on=False)

    @admin.action(description="Enable", permissions=["act"])
    def enable(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Allow these accounts to trade again."""
        return self._switch(request, rows, on=True)

    @admin.action(description="Close all positions", permissions=["act"])
    def close_all(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Close every open position of these accounts at the market."""

        def run(account: Account, _: dict[str, Any]) -> services.Outcome:
            outcome = services.Outcome(services.DONE)
            for ticket in Position.objects.filter(login=account.login, status="open").values_list(
                "ticket", flat=True
            ):
                closed = services.close_position(
                    account.login, ticket, by=By.MANAGER, actor=request.user.get_username()
                )
                outcome = outcome if closed.ok else closed
            return outcome

        return act_on_each(
            self, request, rows, action="close_all", title="Close all positions of",
            form=ConfirmForm(request.POST or None), run=run, submit="Close all",
        )  # fmt: skip

    @admin.action(description="Cancel all pending orders", permissions=["act"])
    def cancel_all(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Cancel every pending order of these accounts."""

        def run(account: Account, _: dict[str, Any]) -> services.Outcome:
            outcome = services.Outcome(services.DONE)
            for ticket in Order.objects.filter(login=account.login, status="pending").values_list(
                "ticket", flat=True
            ):
                canceled = services.cancel_order(
                    account.login, ticket, by=By.MANAGER, actor=request.user.get_username()
                )
                outcome = outcome if canceled.ok else canceled
            return outcome

        return act_on_each(
            self, request, rows, action="cancel_all", title="Cancel all orders of",
            form=ConfirmForm(request.POST or None), run=run, submit="Cancel all",
        )  # fmt: skip


@admin.register(LedgerEntry)
class LedgerAdmin(ScopedAdmin):
    """Every change of balance and credit."""

    list_display = (
        "shown_time", "shown_login", "seq", "kind", "shown_amount", "shown_balance", "shown_credit",
        "shown_deal", "comment", "actor",
    )  # fmt: skip
    list_display_links = ("seq",)
    list_filter = ("kind",)
    search_fields = ("=login", "=deal", "comment")
    search_help_text = "Login, deal or words of the comment"
    ordering = ("-id",)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Let links name an account."""
        return lookup == "login" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="Time", ordering="time")
    def shown_time(self, obj: LedgerEntry) -> Any:
        """Return when it was booked."""
        return show.time(obj.time)

    @admin.display(description="Account", ordering="login")
    def shown_login(self, obj: LedgerEntry) -> Any:
        """Return the account."""
        return show.link("accounts_account", obj.login)

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
