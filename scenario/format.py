"""A scenario file, read and checked completely before anything is played.

Promises that a `Scenario` holds every key with its default, names only what is defined, and
keeps decimals as the text they were written in. Whatever is wrong with a file is a
`ScenarioError` that says where. It plays nothing: see `runner`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from scenario import steps, tables
from scenario.fields import FormatError, list_of, text, within
from scenario.names import Names
from scenario.steps import Step

START_MS = 1_704_153_600_000  # 2024-01-02T00:00:00Z, a Tuesday
_KEYS = ("name", "why", "symbols", "groups", "accounts", "steps")
_OPTIONAL = ("server",)


class ScenarioError(Exception):
    """A file that is not a valid scenario; its text is `FILE: where: why`."""


@dataclass(frozen=True)
class Scenario:
    """A small market, some accounts, and the steps to be played on them."""

    file: str
    name: str
    why: str
    symbols: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    steps: list[Step]
    server: dict[str, Any] = field(default_factory=dict)


def load(path: Path) -> Scenario:
    """Return the scenario that the file holds.

    Raises:
        ScenarioError: the file cannot be read, is not JSON, or is not a valid scenario.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except OSError as error:
        raise ScenarioError(f"{path}: file: {error.strerror}") from error
    except FormatError as error:
        raise ScenarioError(f"{path}: {error.where}: {error.why}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: file: not UTF-8 (byte {error.start}: {error.reason})") from error
    except RecursionError as error:
        raise ScenarioError(f"{path}: file: nested too deeply") from error
    except ValueError as error:  # of JSON, or a number of thousands of digits
        raise ScenarioError(f"{path}: file: not JSON: {error}") from error
    return parse(raw, str(path))


def parse(raw: Any, file: str) -> Scenario:
    """Return the scenario that `raw` (parsed JSON) describes; `file` is how messages call it.

    Raises:
        ScenarioError: it is not a valid scenario.
    """
    try:
        return _parse(raw, file)
    except FormatError as error:
        raise ScenarioError(f"{file}: {error.where or 'file'}: {error.why}") from error


def _parse(raw: Any, file: str) -> Scenario:
    if not isinstance(raw, Mapping):
        raise FormatError("", "expected an object")
    for key in raw:
        if key not in _KEYS + _OPTIONAL:
            raise FormatError(str(key), f"unknown key (known: {', '.join(_KEYS + _OPTIONAL)})")
    for key in _KEYS:
        if key not in raw:
            raise FormatError(key, "is required")
    symbols = within("symbols", list_of(tables.symbol), raw["symbols"])
    groups = within("groups", list_of(tables.group), raw["groups"])
    accounts = within("accounts", list_of(tables.account), raw["accounts"])
    server = within("server", tables.server, raw.get("server") or {})
    for kind, items in (("symbols", symbols), ("groups", groups)):
        for i, item in enumerate(items):
            within(f"{kind}[{i}]", partial(tables.check_settings, kind), item)
    names = Names(
        tables.named(symbols, "name", "symbols"),
        tables.named(groups, "name", "groups"),
        tables.named(accounts, "login", "accounts"),
    )
    _check_accounts(accounts, names)
    if not isinstance(raw["steps"], list):
        raise FormatError("steps", "expected a list")
    parsed = [
        within(f"step {number}", partial(steps.parse, number, names), item)
        for number, item in enumerate(raw["steps"], start=1)
    ]
    name, why = within("name", text, raw["name"]), within("why", text, raw["why"])
    return Scenario(file, name, why, symbols, groups, accounts, parsed, server)


def _check_accounts(accounts: list[dict[str, Any]], names: Names) -> None:
    """Check groups, leverages and agents; an agent is another account of the same currency, defined anywhere."""
    for i, account in enumerate(accounts):
        where = f"accounts[{i}]"
        if account["group"] not in names.groups:
            raise FormatError(f"{where}.group", f"{account['group']!r} is not defined")
        own, most = account["leverage"], names.groups[account["group"]]["leverage_max"]
        if own is not None and most is not None and own > most:
            raise FormatError(f"{where}.leverage", f"{own} is above {most}, the most of its group")
        if account["agent"] is None:
            continue
        if account["agent"] == account["login"]:
            raise FormatError(f"{where}.agent", "is the account itself")
        if account["agent"] not in names.accounts:
            raise FormatError(f"{where}.agent", f"{account['agent']} is not defined")
        agent_group = names.groups.get(names.accounts[account["agent"]]["group"])
        currency = names.groups[account["group"]]["currency"]
        if agent_group is not None and agent_group["currency"] != currency:
            raise FormatError(f"{where}.agent", f"has the currency {agent_group['currency']}, not {currency}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise FormatError("file", f"the key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")
    return result
