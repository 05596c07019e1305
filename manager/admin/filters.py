"""Filters whose choices come from small tables and closed sets, never from a scan of the rows they filter."""

from datetime import timedelta
from typing import Any

from django.contrib.admin import RelatedFieldListFilter, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Account
from engine.codes import Code
from live import rights
from markets.models import Symbol


class SymbolFilter(SimpleListFilter):
    """Rows of one symbol."""

    title = "symbol"
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the symbols there are."""
        return [(name, name) for name in Symbol.objects.order_by("name").values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows of the chosen symbol."""
        return queryset.filter(symbol=self.value()) if self.value() else queryset


class SeenFilter(RelatedFieldListFilter):
    """Rows by a row of another kind, of those that this member of staff may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return the rows that may be chosen."""
        seen = rights.scoped(request.user, field.remote_field.model._default_manager.all())
        return [(row.pk, str(row)) for row in seen]


class LoginGroupFilter(SimpleListFilter):
    """Rows of the accounts of one group."""

    title = "group"
    parameter_name = "in_group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the groups that this manager may see."""
        return [(group.name, group.name) for group in rights.groups_for(request.user)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows of the chosen group's accounts."""
        if not self.value():
            return queryset
        return queryset.filter(
            login__in=Account.objects.filter(group=self.value()).order_by().values("login")
        )


class CodeFilter(SimpleListFilter):
    """Commands that were refused, by their code."""

    title = "code"
    parameter_name = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the codes in their order of precedence."""
        return [(code.value, code.value) for code in Code]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows with the chosen code."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset

    column = "code"


class ErrorFilter(CodeFilter):
    """Orders that failed, by their code."""

    title = "why it failed"
    column = "error"


class SinceFilter(SimpleListFilter):
    """Rows of the last days, which end at midnight UTC."""

    title = "time"
    parameter_name = "since"
    column = "time"
    DAYS = (
        ("today", "Today", 0),
        ("yesterday", "Since yesterday", 1),
        ("week", "7 days", 7),
        ("month", "31 days", 31),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(word, label) for word, label, _ in self.DAYS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows since then."""
        days = {word: number for word, _, number in self.DAYS}.get(self.value() or "")
        if days is None:
            return queryset
        midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return queryset.filter(**{f"{self.column}__gte": midnight - timedelta(days=days)})


class CreatedFilter(SinceFilter):
    """The same of rows that are made."""

    column = "created_at"


class OpenedFilter(SinceFilter):
    """The same of positions, by their opening."""

    title = "opened"
    column = "opened_at"
