"""Accounts with live figures; money, orders and kill switches as actions, with what each will do in words."""

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.decorators import action

from accounts.models import Account, Group
from dealing import services
from engine.enums import TAKING_KINDS, HaltScope, LedgerKind
from live import published, rights
from live.rights import Right
from manager import mass, words
from manager.admin import account_page, mass_pages, show
from manager.admin.acting import act, act_on_rows, found
from manager.admin.base import BIGINT_DIGITS, LiveChangeList, LivePage
from manager.admin.export import CHUNK
from manager.admin.filters import SeenFilter
from manager.admin.record import Section
from manager.admin.reloading import ReloadingAdmin
from manager.forms import HALT_WORDS, ConfirmForm, GroupChoiceForm, HaltForm, MoneyForm, OrderForm
from markets.models import Symbol
from orders.models import Order
from positions.models import Position


class AccountForm(forms.ModelForm):
    """Settings of an account; a group of another currency or mode is refused while anything is open."""

    actor: Any = None

    class Meta:
        model = Account
        fields = (
            "login", "user", "name", "group", "leverage", "tier", "agent", "enabled", "read_only", "close_only",
        )  # fmt: skip

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        """Take what was sent; a user that is no number is a wrong choice, which the widget cannot show."""
        if data is not None and data.get("user"):
            sent = str(data["user"])
            if not (sent.isascii() and sent.isdecimal() and len(sent) <= BIGINT_DIGITS):
                data = data.copy()
                data["user"] = "0"
        super().__init__(data, *args, **kwargs)

    def clean_agent(self) -> int | None:
        """Refuse an agent whom the one who edits may not see: commission would go out of their sight."""
        agent: int | None = self.cleaned_data["agent"]
        if agent is None or agent == self.initial.get("agent"):
            return agent
        known = rights.accounts_for(self.actor).filter(login=agent).first()
        if known is None:
            raise forms.ValidationError(f"there is no account {agent}")
        return agent

    def clean(self) -> dict[str, Any]:
        """Refuse an agent that is the account itself or keeps another currency, and more leverage than the group's."""
        given: dict[str, Any] = super().clean() or {}
        agent, group = given.get("agent"), given.get("group")
        if group is None and not self.instance._state.adding:
            group = self.instance.group
        if agent is not None and agent != self.initial.get("agent"):
            currency = Account.objects.filter(login=agent).values_list("currency", flat=True).first()
            if agent == (given.get("login") or self.instance.login):
                self.add_error("agent", "an account cannot be its own agent")
            elif group is not None and currency != group.currency:
                self.add_error("agent", f"account {agent} keeps {currency}, its client {group.currency}")
        own = given.get("leverage") or 0
        is_asked = own != self.initial.get("leverage") or "group" in self.changed_data
        if group is not None and is_asked and group.leverage_max is not None and own > group.leverage_max:
            self.add_error("leverage", f"{own} is above {group.leverage_max}, the most of group {group}")
        return given

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


#: What the desk shows of an account, beside its row, in the CSV file.
LIVE_COLUMNS = ("floating", "equity", "margin", "free_margin", "margin_level")


@admin.register(Account)
class AccountAdmin(LivePage, ReloadingAdmin):
    """Accounts: who, how much, how near to the edge."""

    kind = "account"
    heading = "Accounts"
    nothing = "No account matches."
    renews = True
    vocabulary = words.ACCOUNT
    form = AccountForm
    list_display = (
        "login", "name", "group", "shown_balance", "shown_equity", "shown_floating", "shown_margin",
        "shown_free", "shown_level", "shown_flags",
    )  # fmt: skip
    list_filter = (("group", SeenFilter), "tier", "margin_call", "enabled", "read_only", "close_only", "halt")
    search_words = (
        "login__startswith",
        "name__icontains",
        "user__username__istartswith",
        "user__email__istartswith",
    )
    search_help_text = "Login, name, user name or e-mail"
    list_select_related = ("group",)
    autocomplete_fields = ("user",)
    fieldsets = (
        (
            "Settings",
            {
                "fields": (
                    ("login", "name", "user", "group"), ("leverage", "tier", "agent"),
                    ("enabled", "read_only", "close_only"),
                )
            },
        ),
    )  # fmt: skip
    actions = ("close_all", "cancel_all", "move_group", "disable", "enable")
    actions_detail = ("money", "order", "halt")
    unexported = ("event_seq", "ledger_seq")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """Return the list that adds equity and margin."""
        return LiveChangeList

    def add_live(self, rows: Sequence[Any]) -> None:
        """Give each account what the desk shows of it."""
        states = published.account_states(row.login for row in rows)
        for row in rows:
            row.live = states.get(row.login)

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return what the account's page shows above its settings."""
        return account_page.sections(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Sequence[str]:
        """Return what cannot be edited: the login once it is given, and fields that take a right of their own."""
        closed = rights.closed_fields(request.user, self.kind_of_row, row=obj)
        return ("login", *closed) if obj else closed

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the next free login."""
        highest = Account.objects.aggregate(high=Max("login"))["high"] or 1000
        return {"login": highest + 1}

    def write(self, obj: Account, form: Any) -> None:
        """Write a new account in its group's currency."""
        obj.currency = obj.group.currency
        obj.save(force_insert=True)

    def exported(self, rows: Any) -> Iterator[list[Any]]:
        """Return the rows with the figures that the desk shows of them."""
        lines = super().exported(rows)
        headers = next(lines)
        yield [*headers, *LIVE_COLUMNS]
        login = headers.index("login")
        while part := list(itertools.islice(lines, CHUNK)):
            states = published.account_states(line[login] for line in part)
            for line in part:
                state = states.get(line[login], {})
                # Figures are decimal text of the desk's own; as numbers they are no formulas.
                yield [
                    *line,
                    *(None if state.get(key) is None else Decimal(state[key]) for key in LIVE_COLUMNS),
                ]

    # Columns

    @admin.display(description="Balance", ordering="balance")
    def shown_balance(self, obj: Any) -> Any:
        """Return the balance with its currency."""
        return show.money(obj.balance, obj.currency, obj.digits)

    @admin.display(description="Equity")
    def shown_equity(self, obj: Any) -> Any:
        """Return equity: what the desk shows of accounts with positions, else balance and credit."""
        return show.number(obj.live["equity"] if obj.live else obj.balance + obj.credit, digits=obj.digits)

    @admin.display(description="Floating")
    def shown_floating(self, obj: Any) -> Any:
        """Return the floating profit."""
        return show.gain(obj.live["floating"]) if obj.live else show.NO_FIGURE

    @admin.display(description="Margin")
    def shown_margin(self, obj: Any) -> Any:
        """Return the margin in use."""
        return show.number(obj.live["margin"]) if obj.live else show.NO_FIGURE

    @admin.display(description="Free margin")
    def shown_free(self, obj: Any) -> Any:
        """Return the free margin."""
        return show.number(obj.live["free_margin"]) if obj.live else show.NO_FIGURE

    @admin.display(description="Level")
    def shown_level(self, obj: Any) -> Any:
        """Return the margin level with a mark where it is at the group's margin call."""
        level = obj.live and obj.live["margin_level"]
        if level is None:
            return show.NO_FIGURE
        mark = "⚠ " if obj.margin_call else ""
        return format_html(
            '<span class="td-num{}">{}{} %</span>', " td-loss" if mark else "", mark, f"{Decimal(level):,f}"
        )

    @admin.display(description="State")
    def shown_flags(self, obj: Any) -> Any:
        """Return what is out of the ordinary, in words."""
        return account_page.flags(obj) or show.EMPTY

    # Actions

    @action(description="Money", icon="payments", permissions=["move_money"])
    def money(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Deposit, withdraw, give or take credit, charge, correct."""
        account = found(self, request, object_id, right=Right.MOVE_MONEY)
        state = account.live or {}
        free = state.get("free_margin")
        may_override = rights.may(request.user, Right.OVERRIDE_TERMS)
        return act(
            self, request,
            title=f"Move money of account {account.login}",
            form=MoneyForm(request.POST or None, may_override=may_override),
            run=lambda given, caller: services.balance_operation(
                account.login, given["kind"], given["amount"], override=given.get("override", False), caller=caller
            ),
            back=self._back(str(account.login)),
            submit="Book it",
            about=[
                ("Client", account.name or show.EMPTY),
                ("Balance", show.money(account.balance, account.currency, account.digits)),
                ("Credit", show.money(account.credit, account.currency, account.digits)),
                ("Free margin", show.money(free, account.currency, account.digits) if free else "all: nothing is open"),
            ],
            says=lambda given: money_in_words(account, given),
        )  # fmt: skip

    @action(description="New order", icon="add_shopping_cart", permissions=["place_orders"])
    def order(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Place an order for the account as a manager."""
        account = found(self, request, object_id, right=Right.PLACE_ORDERS)
        names = list(Symbol.objects.values_list("name", flat=True))
        form = OrderForm(
            request.POST or None, symbols=names, may_override=rights.may(request.user, Right.OVERRIDE_TERMS)
        )
        return act(
            self, request,
            title=f"New order for account {account.login}",
            form=form,
            run=lambda _, caller: services.place_order(account.login, caller=caller, **form.asked()),
            back=self._back(str(account.login)),
            submit="Place it",
            about=[
                ("Client", account.name or show.EMPTY),
                ("Group", account.group_id),
                ("Free margin", show.number((account.live or {}).get("free_margin", account.balance + account.credit))),
            ],
            says=lambda given: order_in_words(account, given),
        )  # fmt: skip

    @action(description="Kill switch", icon="power_settings_new", permissions=["turn_switches"])
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the account's kill switch."""
        account = found(self, request, object_id, right=Right.TURN_SWITCHES)
        return act(
            self, request,
            title=f"Kill switch of account {account.login}",
            form=HaltForm(request.POST or None, initial={"level": account.halt}),
            run=lambda given, caller: services.set_halt(HaltScope.ACCOUNT, account.login, given["level"], caller=caller),
            back=self._back(str(account.login)),
            submit="Turn it",
            about=[("Client", account.name or show.EMPTY), ("Now", HALT_WORDS[account.halt])],
            says=lambda given: [
                f"Account {account.login} goes from {account.halt.replace('_', ' ')} to {HALT_WORDS[given['level']]}."
            ],
        )  # fmt: skip

    def _listed(self, rows: Sequence[Any]) -> Any:
        return show.table(
            ("Login", "Name", "Group", "Balance"),
            [(r.login, r.name, r.group_id, show.money(r.balance, r.currency, r.digits)) for r in rows],
        )

    def _switch(self, request: HttpRequest, rows: "QuerySet[Account]", *, on: bool) -> HttpResponse | None:
        word = "enable" if on else "disable"
        what = "may trade again" if on else "may do nothing: every order, closing included, is refused"
        return act_on_rows(
            self, request, rows, action=word, title=f"{word.capitalize()} accounts",
            form=ConfirmForm(request.POST or None), submit=f"{word.capitalize()} them",
            listed=self._listed, says=lambda given: [f"{given['rows']} accounts {what}."],
            none="No account was chosen.",
            job=lambda _: ("switch_accounts", {"values": {"enabled": on}}, rows),
        )  # fmt: skip

    def get_urls(self) -> list[Any]:
        """Return the addresses with those of mass actions."""
        return [*mass_pages.urls(), *super().get_urls()]

    def has_regroup_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may move accounts to other groups."""
        return rights.may_change(request.user, self.kind_of_row) and rights.may(request.user, Right.SET_GROUP)

    @admin.action(description="Move to another group", permissions=["regroup"])
    def move_group(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Move these accounts to another group; the desk refuses what would falsify what they hold."""
        form = GroupChoiceForm(
            request.POST if "confirmed" in request.POST else None, groups=rights.groups_for(request.user)
        )
        return act_on_rows(
            self, request, rows, action="move_group", title="Move accounts to another group", form=form,
            submit="Move them", listed=self._listed, right=Right.SET_GROUP, none="No account was chosen.",
            says=lambda given: [
                f"{given['rows']} accounts go by the terms of the group that you choose, from the next tick on: spreads, "
                "stop-out and margin call too. What would follow is told on an account's own page, one by one."
            ],
            job=lambda given: ("move_group", {"values": {"group": given["group"]}}, rows),
        )  # fmt: skip

    @admin.action(description="Disable accounts", permissions=["act"])
    def disable(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Forbid these accounts everything."""
        return self._switch(request, rows, on=False)

    @admin.action(description="Enable accounts", permissions=["act"])
    def enable(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Allow these accounts to trade again."""
        return self._switch(request, rows, on=True)

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may close positions."""
        return rights.may(request.user, Right.CLOSE)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may cancel orders."""
        return rights.may(request.user, Right.CANCEL)

    @admin.action(description="Close all positions", permissions=["close"])
    def close_all(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Close every open position of these accounts at the market."""
        holding = rows.filter(login__in=Position.objects.filter(status="open").values("login"))
        return act_on_rows(
            self, request, holding, action="close_all", title="Close all positions of accounts",
            form=ConfirmForm(request.POST or None), submit="Close all",
            listed=self._listed,
            says=lambda given: [
                f"Every open position of {given['rows']} accounts is closed at the market, smart orders' positions too."
            ],
            right=Right.CLOSE, none="None of the chosen accounts has an open position.",
            job=lambda _: _held("close_positions", holding),
        )  # fmt: skip

    @admin.action(description="Cancel all pending orders", permissions=["cancel"])
    def cancel_all(self, request: HttpRequest, rows: "QuerySet[Account]") -> HttpResponse | None:
        """Cancel every pending order of these accounts."""
        waiting = rows.filter(login__in=Order.objects.filter(status="pending").values("login"))
        return act_on_rows(
            self, request, waiting, action="cancel_all", title="Cancel all orders of accounts",
            form=ConfirmForm(request.POST or None), submit="Cancel all",
            listed=self._listed,
            says=lambda given: [f"Every pending order of {given['rows']} accounts is cancelled."],
            right=Right.CANCEL, none="None of the chosen accounts has a pending order.",
            job=lambda _: _held("cancel_orders", waiting),
        )  # fmt: skip


def _held(kind: str, accounts: "QuerySet[Account]") -> tuple[str, dict[str, Any], Any]:
    """Return the job that ends what these accounts hold."""
    return kind, {}, mass.rows_of_accounts(kind, accounts.order_by().values("login"))


def money_in_words(account: Account, given: dict[str, Any]) -> list[str]:
    """Return what a balance operation will do, the figures after it included."""
    kind = LedgerKind(given["kind"])
    words_ = kind.value.replace("_", " ")
    try:
        amount = Decimal(given["amount"])
    except InvalidOperation:  # the desk will say what is wrong with it
        return [f"{words_.capitalize()} of {given['amount']}."]
    signed = -amount if kind in TAKING_KINDS else amount
    is_credit = kind in (LedgerKind.CREDIT_IN, LedgerKind.CREDIT_OUT, LedgerKind.BONUS)
    before = account.credit if is_credit else account.balance
    digits = account.digits
    lines = [
        f"{words_.capitalize()} of {amount:,f} {account.currency}, account {account.login}"
        + (f" ({account.name})." if account.name else "."),
        f"{'Credit' if is_credit else 'Balance'} goes from {before:,.{digits}f} to "
        f"{before + signed:,.{digits}f} {account.currency}.",
    ]
    if given.get("override"):
        lines.append("It is booked even if balance, credit or free margin falls below 0.")
    return lines


def order_in_words(account: Account, given: dict[str, Any]) -> list[str]:
    """Return what an order for a client will be."""
    kind = given["type"].replace("_", " ")
    at = f" at {given['price']}" if given.get("price") else ""
    at += f", limit {given['limit_price']}" if given.get("limit_price") else ""
    exits = [
        f"{name} {given[key]}" for key, name in (("sl", "stop loss"), ("tp", "take profit")) if given.get(key)
    ]
    lines = [f"{kind.capitalize()} {given['volume']} lots of {given['symbol']}{at} for account {account.login}"
             + (f" ({account.name})" if account.name else "") + (", " + ", ".join(exits) if exits else "") + "."]  # fmt: skip
    quote = published.quotes().get(given["symbol"])
    lines.append(f"The market is {quote[0]} / {quote[1]}." if quote else "There is no quote yet.")
    if given.get("open_price") or given.get("open_time"):
        price = given.get("open_price") or "the market's price"
        lines.append(
            f"It counts as opened at {price}, {show.moment(given.get('open_time')) if given.get('open_time') else 'now'}."
        )
    if given.get("skip_margin"):
        lines.append("Margin is not checked.")
    return lines
