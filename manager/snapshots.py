"""What a record's settings are, key by key, as an editor sees them: the stuff of "seen", "yours" and "theirs".

Of what the desk goes by the keys are those of scenario files, so that a change says the same to page and desk; other
columns stand under their names. Promises: equal settings give equal snapshots; a snapshot survives JSON.
"""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from accounts.models import Account, Group, ManagerScope
from engine.changes import TERMS, flat
from markets.models import SYMBOL_DECIMALS, Server, Symbol

#: Columns of a record that mean nothing to the desk.
LABELS: dict[str, tuple[str, ...]] = {
    "symbol": ("description", "position"), "group": ("description",), "account": ("name", "user"), "server": (),
}  # fmt: skip
#: Columns that stand together under one key.
PAIRS = {
    "commission": ("commission_kind", "commission_amount"),
    "agent_commission": ("agent_commission_kind", "agent_commission_amount"),
}
#: Never a setting: what the desk or the log-in writes, and secrets.
UNSEEN = frozenset({"password", "last_login", "date_joined", "halt"})


def snapshot(row: Any, terms: Any = None) -> dict[str, Any]:
    """Return a record's settings; `terms` are a group's rows of terms, None reads them."""
    if isinstance(row, Group):
        values = {**flat(row.values(terms)), "description": row.description}
    elif isinstance(row, Symbol):
        values = {**dict.fromkeys(SYMBOL_DECIMALS), **flat(row.values())}
        values |= {"description": row.description, "position": row.position}
    elif isinstance(row, Server):
        values = row.values()
    elif isinstance(row, Account):
        values = {key: value for key, value in row.values().items() if key != "halt"}
        values |= {"name": row.name, "user": row.user_id}
    else:
        values = _columns(row)
        if isinstance(row, get_user_model()):
            scope = ManagerScope.objects.filter(user_id=row.pk).first()
            values["masks"] = scope.group_masks if scope else None
    plain: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return plain


def _columns(row: Model) -> dict[str, Any]:
    values = {
        field.name: field.value_from_object(row)
        for field in row._meta.concrete_fields
        if field.name not in UNSEEN and not field.primary_key
    }
    for many in row._meta.many_to_many:
        values[many.name] = sorted(getattr(row, many.name).values_list("pk", flat=True)) if row.pk else []
    return values


def fields_of(key: str) -> tuple[str, ...]:
    """Return the fields of the form behind a key; terms on securities are rows below it."""
    return ("securities",) if key.startswith(TERMS) else PAIRS.get(key, (key,))


def label_of(key: str, vocabulary: dict[str, tuple[str, str]]) -> str:
    """Return what a key is called on its page."""
    if key.startswith(TERMS):
        return f"Terms on {key.removeprefix(TERMS)}"
    name = fields_of(key)[0]
    return vocabulary[name][0] if name in vocabulary else key.replace("_", " ").capitalize()


def said(value: Any) -> str:
    """Return a value as one reads it."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {said(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(said(inner) for inner in value)
    return str(value)
