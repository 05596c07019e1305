"""Rows of groups and accounts from the words of scenario files: for the demo, scenarios, benchmarks and tests.

It writes settings, which a desk reads when it starts or on a reload command; it does not tell the desk and it
moves no money: a starting balance is a deposit, asked for like any other.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from accounts.models import GROUP_DECIMALS, GROUP_PLAIN, Account, Group, GroupSecurity
from engine.settings import Group as EngineGroup

_COMMISSIONS = ("commission", "agent_commission")


def _commissions(values: Mapping[str, Any], *, none: str) -> dict[str, Any]:
    """Return the columns of the commissions that are given; `none` is the word for an explicit null."""
    columns: dict[str, Any] = {}
    for key in _COMMISSIONS:
        if key in values:
            given = values[key]
            columns[f"{key}_kind"] = given["kind"] if given else none
            columns[f"{key}_amount"] = given["amount"] if given else 0
    return columns


@transaction.atomic
def put_groups(groups: Iterable[Mapping[str, Any]]) -> list[Group]:
    """Insert or overwrite groups and their terms on securities, and return their rows.

    Keys are those of scenario files, and `description`. What is left out takes its default.

    Raises:
        SettingError: the engine cannot take a setting.
    """
    rows = []
    for given in groups:
        values = {key: value for key, value in given.items() if key != "description"}
        EngineGroup.from_values(values)
        fields = {key: values[key] for key in (*GROUP_PLAIN, *GROUP_DECIMALS) if key in values}
        row = Group(description=given.get("description", ""), **fields, **_commissions(values, none=""))
        row.save()
        row.securities.all().delete()
        for security, own in (values.get("securities") or {}).items():
            GroupSecurity.objects.create(
                group=row,
                security=security,
                execution=own.get("execution", ""),
                spread_diff=own.get("spread_diff"),
                **_commissions(own, none="none"),
            )
        rows.append(row)
    return rows


@transaction.atomic
def put_accounts(accounts: Iterable[Mapping[str, Any]]) -> list[Account]:
    """Insert accounts without money, and return their rows; `balance` and `credit` are left to deposits.

    Keys are those of scenario files, and `user` and `name`. An account that exists keeps its money and gets
    the settings given.
    """
    currencies = dict(Group.objects.values_list("name", "currency"))
    rows = []
    for given in accounts:
        settings = {
            key: given[key]
            for key in ("user", "name", "leverage", "tier", "agent", "enabled", "read_only", "close_only")
            if given.get(key) is not None
        }
        settings |= {"group_id": given["group"], "currency": currencies[given["group"]]}
        row, _ = Account.objects.update_or_create(login=given["login"], defaults=settings)
        rows.append(row)
    return rows
