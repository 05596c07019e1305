"""What all pages of the admin share: rows that can only be looked at, scope, quick counting, live columns."""

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from accounts.selectors import logins_visible_to

ESTIMATE_ABOVE = 50_000


class EstimatingPaginator(Paginator):
    """Counts a large table that nobody filtered by PostgreSQL's own estimate: a click is not worth a scan."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, estimated above 50,000 where nothing is filtered."""
        query = getattr(self.object_list, "query", None)
        if query is not None and not query.where and not query.distinct:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                    [query.get_meta().db_table],
                )
                estimate: int = cursor.fetchone()[0]
            if estimate > ESTIMATE_ABOVE:
                return estimate
        return int(super().count)


class LiveChangeList(ChangeList):
    """A page of rows that is completed from Redis once, after the database has given it."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then let the admin add what the desk shows."""
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        self.model_admin.add_live(self.result_list)


class DeskAdmin(ModelAdmin):
    """Base of the admin's pages: 50 rows a page, no deleting, no date widgets on facts."""

    list_per_page = 50
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_filter_submit = False
    compressed_fields = False
    list_fullwidth = True
    actions: Sequence[Any] = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions without Django's own deletion."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return that nothing is deleted here."""
        return False

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may act on rows of this kind, through the services."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class ReadOnlyAdmin(DeskAdmin):
    """Rows that only the desk writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return that nothing is added here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return that nothing is changed here."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether this member of staff may look: the right to act includes it."""
        return super().has_view_permission(request, obj) or self.has_act_permission(request)


class ScopedAdmin(ReadOnlyAdmin):
    """Rows with a login: a manager sees those of the accounts in the groups of their masks."""

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the rows of the accounts that may be seen."""
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(login__in=logins_visible_to(request.user))
