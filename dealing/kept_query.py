"""A query whose SQL is written once, for what is asked at every order.

Django writes the SQL of a query anew each time that it is asked, which for a row of 20 columns takes three times as long as
reading it. A `KeptQuery` has Django write it at the first call, and afterwards only sends it with other values. Promises: what
comes back is what the queryset itself would return, related rows included; the values are the ones that the queryset
takes, in the order in which they stand in its SQL, or the first call says that they are not.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=Model)


class KeptQuery(Generic[Row]):
    """The first row of a queryset that is made from some values."""

    def __init__(self, make: "Callable[..., QuerySet[Row]]") -> None:
        self._make = make
        self._plan: _Plan[Row] | None = None

    def first(self, *values: Any) -> Row | None:
        """Return the first row for these values, None where there is none."""
        plan = self._plan
        if plan is None:
            plan = self._plan = _Plan(self._make(*values)[:1], values)
        return plan.first(values)


class _Plan(Generic[Row]):
    """What Django's compiler found out about a queryset, and its iterator about the rows."""

    def __init__(self, rows: "QuerySet[Row]", values: tuple[Any, ...]) -> None:
        self._compiler: Any = rows.query.get_compiler(DEFAULT_DB_ALIAS)
        self._sql, told = self._compiler.as_sql()
        if tuple(told) != values:
            raise ValueError(f"the query's own values {told!r} are not the ones given, {values!r}")
        select, found = self._compiler.select, self._compiler.klass_info
        first, last = found["select_fields"][0], found["select_fields"][-1] + 1
        self._model, self._columns = found["model"], slice(first, last)
        self._names = [column[0].target.attname for column in select[first:last]]
        self._related = get_related_populators(found, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg] # of Django 6
        self._converters = self._compiler.get_converters([column[0] for column in select])

    def first(self, values: tuple[Any, ...]) -> Row | None:
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, values)
            raw = cursor.fetchone()
        if raw is None:
            return None
        row = list(raw)
        for place, (converters, expression) in self._converters.items():
            for convert in converters:
                row[place] = convert(row[place], expression, connection)
        made: Row = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._columns])
        for one in self._related:
            one.populate(row, made)
        return made
