"""What all pages of the admin share: headings, search, quick counting, live columns, scope, records."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets, display, helpers
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import DataError, connection, transaction
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from live import rights
from live.rights import Right
from manager.admin.export import Exporting
from manager.admin.record import Section
from manager.numbers import strict

#: Rows of a filtered list that are counted; of a longer one the list says "more than".
COUNTED = 10_000
ESTIMATE_ABOVE = 50_000
BIGINT_DIGITS = 18
BIGINT_END = 2**63
SEARCHED_WORDS = 5
#: How an address may compare a column: what filters of the theme make of a choice.
LOOKUPS = frozenset(("exact", "isnull"))


def _renewed(request: HttpRequest) -> dict[str, Any]:
    """Return what a page leaves out when it merely renews itself: messages are for who looks at it."""
    return {"messages": ()} if "X-Renew" in request.headers else {}


def _readable(request: HttpRequest) -> bool:
    """Return whether the database can be asked for what the address names: text without NUL."""
    return not any("\x00" in value for values in request.GET.lists() for value in values[1])


class QuickPaginator(Paginator):
    """Counts so that a click is never worth a scan of a large table.

    Where nothing is filtered, PostgreSQL's own estimate is taken above 50,000 rows; a filtered list is counted
    up to 10,000, and its later pages are reached by narrowing the filter.
    """

    template_name = "manager/pagination.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, estimated or cut off where they are many."""
        query = getattr(self.object_list, "query", None)
        if query is None:
            return int(super().count)
        if not query.where and not query.distinct:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                    [query.get_meta().db_table],
                )
                estimate: int = cursor.fetchone()[0]
            return estimate if estimate > ESTIMATE_ABOVE else int(super().count)
        rows: Any = self.object_list
        found: int = rows.order_by()[: COUNTED + 1].count()
        return min(found, COUNTED)

    @property
    def said(self) -> str:
        """Return the number of rows in words: exact, about, or more than."""
        query = getattr(self.object_list, "query", None)
        if self.count >= COUNTED and query is not None and query.where:
            return f"{COUNTED:,} or more"
        return f"about {self.count:,}" if self.count > ESTIMATE_ABOVE else f"{self.count:,}"


class LiveChangeList(ChangeList):
    """A page of rows that is completed from Redis once, after the database has given it."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then let the admin add what the desk shows."""
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        self.model_admin.add_live(self.result_list)


class LivePage:
    """The page of one row shows what the admin's lists add to theirs."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row with what the desk shows of it."""
        row = super().get_object(request, object_id, from_field)  # type: ignore[misc]  # of the admin it is mixed into
        if row is not None:
            self.add_live([row])  # type: ignore[attr-defined]
        return row


class DeskAdmin(Exporting, ModelAdmin):
    """Base of the admin's pages: 50 rows a page, no deleting, one search for numbers and one for words."""

    #: Name of the list, as the side bar has it.
    heading = ""
    #: What an empty list says, and whether a list renews itself while it is looked at.
    nothing = "Nothing to show."
    renews = False
    #: Whether the number of rows stands in the title of the window.
    counts = False
    #: Columns that a searched number, and a searched word, is looked for in (with the lookup).
    search_numbers: Sequence[str] = ()
    search_words: Sequence[str] = ()
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    paginator = QuickPaginator
    list_filter_submit = False
    show_facets = ShowFacets.NEVER  # a count of every choice is a scan of the table for each
    compressed_fields = False
    list_fullwidth = True
    change_list_template = "manager/list.html"
    actions: Sequence[Any] = ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Read numbers by the one parser of all forms."""
        return super().formfield_for_dbfield(db_field, request, **strict(db_field, kwargs))

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        """Return something where there is a search at all, so that its box is shown."""
        return (*self.search_numbers, *self.search_words)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """Return the rows in which every word is found: a number by its index, other words as words."""
        for word in search_term.replace("\x00", "").split()[:SEARCHED_WORDS]:
            bare = word.lstrip("#")
            is_number = bare.isascii() and bare.isdecimal() and len(bare) <= BIGINT_DIGITS
            asked: list[tuple[str, Any]] = (
                [(column, int(bare)) for column in self.search_numbers] if is_number else []
            )
            asked = asked or [(column, word) for column in self.search_words]
            found = Q(pk__in=())
            for pair in asked:
                found |= Q(pair)
            queryset = queryset.filter(found)
        return queryset, False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions without Django's own deletion."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Return whether an address may filter by this: as the list's own filters and links do, by no other comparison.

        Any other (`name__regex`, `payload__has_key`) would let whoever looks ask the database for what costs most.
        """
        column, _, how = lookup.rpartition("__")
        fields = [*self.opts.concrete_fields, *self.opts.many_to_many]
        keys = {
            f"{each.name}__{each.remote_field.model._meta.pk.name}" for each in fields if each.remote_field
        }
        is_plain = not column or (how in LOOKUPS and ("__" not in column or column in keys))
        return is_plain and bool(super().lookup_allowed(lookup, value, request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the page of rows.

        Raises:
            IncorrectLookupParameters: the address asks for what a column cannot hold.
        """
        try:
            with transaction.atomic():  # what the database refuses ends this look alone
                return super().get_changelist_instance(request)
        except (DataError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error

    def changelist_view(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list under its heading."""
        if not _readable(request):
            messages.error(request, "The address names a filter that does not exist.")
            return HttpResponseRedirect(request.path)
        more = {**(extra_context or {}), **_renewed(request), "heading": self.heading_of(request)}
        return super().changelist_view(request, more)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a row, None where the key is none."""
        return None if "\x00" in str(object_id) else super().get_object(request, object_id, from_field)

    def response_action(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse | None:
        """Run an action on the chosen rows, unless what was sent names rows that cannot be."""
        chosen = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        if not all(self._is_key(key) for key in chosen):
            messages.error(request, "A chosen row does not exist; nothing was done.")
            return None
        return super().response_action(request, queryset)

    def _is_key(self, key: str) -> bool:
        try:
            value = self.opts.pk.to_python(key)
        except ValidationError:
            return False
        return abs(value) < BIGINT_END if isinstance(value, int) else "\x00" not in key

    def heading_of(self, request: HttpRequest) -> str:
        """Return the name of the list as it is filtered."""
        return self.heading

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **more: Any) -> HttpResponse:
        """Show a row's page under the name of its list."""
        context["heading"] = self.heading
        context["named"] = str(more.get("obj") or "new")
        context |= _renewed(request)
        return super().render_change_form(request, context, **more)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what was changed in a row, and by whom, under the name of its list."""
        more = {"heading": self.heading, "named": f"{object_id}: history"}
        return super().history_view(request, object_id, {**more, **(extra_context or {})})

    # Who may see and do what is decided by live/rights.py alone; here it is asked.

    @property
    def kind_of_row(self) -> str:
        """Return the kind of its rows as rights name it."""
        return str(self.opts.label_lower)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the rows that this member of staff may see: of these, lists, files and choices are made."""
        return rights.scoped(request.user, super().get_queryset(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and take, only such rows of another kind as this member of staff may see."""
        kwargs.setdefault(
            "queryset", rights.scoped(request.user, db_field.remote_field.model._default_manager.all())
        )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        """Say that there is no such row: one that may not be seen looks the same."""
        raise Http404(f"there is no {opts.verbose_name} {object_id}")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether this member of staff may look: the right to act includes it."""
        return rights.may_view(request.user, self.kind_of_row)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may make rows of this kind."""
        return rights.may_add(request.user, self.kind_of_row)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether this member of staff may change this row, or rows of this kind."""
        return rights.may_change(request.user, self.kind_of_row, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return that nothing is deleted here."""
        return False

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may act on rows of this kind, through the services."""
        return rights.may_change(request.user, self.kind_of_row)

    # Names of rights with a point would be looked up in the database before it has any.

    def has_move_money_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may book money."""
        return rights.may(request.user, Right.MOVE_MONEY)

    def has_place_orders_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may place orders for clients."""
        return rights.may(request.user, Right.PLACE_ORDERS)

    def has_turn_switches_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this member of staff may turn kill switches."""
        return rights.may(request.user, Right.TURN_SWITCHES)

    def offered(self, obj: Any) -> Sequence[str] | None:
        """Return which of the page's actions make sense for a row as it is; None: all of them."""
        return None

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the actions of a row's page that are allowed and make sense."""
        actions = super().get_actions_detail(request, object_id)
        obj = self.get_object(request, str(object_id)) if actions else None
        names = None if obj is None else self.offered(obj)
        if names is None:
            return actions
        known = {f"{self.opts.app_label}_{self.opts.model_name}_{name}" for name in names}
        return [action for action in actions if action.action_name in known]


class ReadOnlyAdmin(DeskAdmin):
    """Rows that only the desk writes: their page is a record with links, not a form."""

    change_form_template = "manager/record.html"

    @display(description="Number", ordering="id")
    def shown_id(self, obj: Any) -> Any:
        """Return the row's number."""
        return obj.pk

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """Return what a row's page shows."""
        raise NotImplementedError

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **more: Any) -> HttpResponse:
        """Show the record."""
        context["sections"] = self.sections(request, more["obj"])
        context["show_history"] = False
        return super().render_change_form(request, context, **more)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Sequence[str]:
        """Return no fields: the record says it all."""
        return ()

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        """Return no inlines."""
        return []

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return that nothing is added here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return that nothing is changed here."""
        return False


class ScopedAdmin(ReadOnlyAdmin):
    """Rows with a login."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Let links name an account, a position, an order, a plan or a deal."""
        known = ("login", "position", "order", "symbol", "deal", "smart")
        return lookup in known or super().lookup_allowed(lookup, value, request)
