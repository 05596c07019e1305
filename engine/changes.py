"""What a change of settings makes of a symbol, a group or an account, and whether it still means what was seen.

A change names settings by their keys in scenario files; a group's terms on one security are the key `securities.NAME`,
with null for "as the group". Where a change says what its author saw (`seen`), it holds what was changed and nothing else,
and a key that stands otherwise by now is a conflict. Promises: nothing here changes the state; what is compared is
what a setting means, not how it was written ("50" is "50.0").
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.commands import ChangeSettings
from engine.records import Account
from engine.rounding import spread_halves, to_text
from engine.settings import Group, Server, SettingError, Symbol, read_account
from engine.state import State
from engine.tickets import shard_of

Settings = Symbol | Group | Account | Server
TERMS = "securities."
#: Settings of an account; everything else of it is money or belongs to no engine.
ACCOUNT_KEYS = ("group", "currency", "leverage", "tier", "agent", "enabled", "read_only", "close_only")
KINDS = ("symbol", "group", "account", "server")


@dataclass(slots=True, frozen=True)
class Change:
    """What a command makes of a record: before (None: it is new), after, and the keys that differ."""

    old: Settings | None
    new: Settings
    before: dict[str, Any]
    after: dict[str, Any]


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings key by key, a group's terms on each security as a key of their own."""
    keys = {key: value for key, value in values.items() if key not in ("securities", "halt", "name")}
    for name, terms in (values.get("securities") or {}).items():
        keys[f"{TERMS}{name}"] = dict(terms)
    return keys


def laid_over(values: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with these keys in place of theirs."""
    merged = {key: value for key, value in values.items() if key != "halt"}
    own = dict(merged.get("securities") or {})
    for key, value in keys.items():
        if not key.startswith(TERMS):
            merged[key] = value
        elif value is None:
            own.pop(key.removeprefix(TERMS), None)
        else:
            own[key.removeprefix(TERMS)] = value
    if own or "securities" in merged:
        merged["securities"] = own
    return merged


def settings_of(record: Settings) -> dict[str, Any]:
    """Return a record's settings key by key."""
    if isinstance(record, Account):
        return {key: getattr(record, key) for key in ACCOUNT_KEYS}
    return flat(record.values)


def record_of(state: State, kind: str, key: str) -> Settings | None:
    """Return the record that a change is about, None where there is none yet."""
    if kind == "symbol":
        return state.symbols.get(key)
    if kind == "group":
        return state.groups.get(key)
    if kind == "server":
        return state.server
    return state.accounts.get(int(key)) if key.isascii() and key.isdecimal() else None


def change_of(state: State, command: ChangeSettings) -> Change:
    """Return what a command makes of its record.

    Raises:
        SettingError: the engine cannot take it, or it would falsify what is open.
    """
    if command.kind not in KINDS:
        raise SettingError("kind", f"{command.kind!r} is none of {', '.join(KINDS)}")
    old = record_of(state, command.kind, command.key)
    if command.seen is not None and old is None:
        raise SettingError(command.kind, f"there is no {command.kind} {command.key!r}")
    values: Mapping[str, Any] = command.values
    if command.seen is not None and isinstance(old, (Symbol, Group, Server)):
        values = laid_over(old.values, command.values)
    new = _made(state, command.kind, command.key, old, values)
    if old is None:
        return Change(None, new, {}, settings_of(new))
    was, now = settings_of(old), settings_of(new)
    keys = [
        key
        for key in {**was, **now}
        if was.get(key) != now.get(key) and _differs(state, old, key, now.get(key))
    ]
    return Change(old, new, {k: was.get(k) for k in keys}, {k: now.get(k) for k in keys})


def conflicts(state: State, command: ChangeSettings) -> list[dict[str, Any]]:
    """Return the keys that stand otherwise than their author saw: each with yours, theirs (now) and seen.

    Raises:
        SettingError: what was seen is nothing that can have been.
    """
    old = record_of(state, command.kind, command.key)
    if old is None or command.seen is None:
        return []
    now = settings_of(old)
    return [
        {"field": key, "yours": command.values.get(key), "theirs": now.get(key), "seen": seen}
        for key, seen in command.seen.items()
        if _differs(state, old, key, seen) and _differs(state, old, key, command.values.get(key))
    ]


def _differs(state: State, old: Settings, key: str, value: Any) -> bool:
    """Return whether a record with this value at a key would be another one."""
    if isinstance(old, Account):
        known = read_account({key: value})
        return any(getattr(old, name) != read for name, read in known.items())
    if key.startswith(TERMS) and isinstance(old, Group) and value is None:
        return key.removeprefix(TERMS) in old.securities
    try:
        other = _made(
            state,
            _kind_of(old),
            "" if isinstance(old, Server) else old.name,
            old,
            laid_over(old.values, {key: value}),
            checked=False,
        )
    except SettingError:
        return True  # on its own it makes no sense, so it is not what stands there
    return other != old


def _kind_of(record: Symbol | Group | Server) -> str:
    if isinstance(record, Server):
        return "server"
    return "symbol" if isinstance(record, Symbol) else "group"


def _made(
    state: State,
    kind: str,
    key: str,
    old: Settings | None,
    values: Mapping[str, Any],
    *,
    checked: bool = True,
) -> Settings:
    if kind == "symbol":
        return _symbol(state, key, old if isinstance(old, Symbol) else None, values, checked)
    if kind == "server":
        return Server.from_values(values)
    if kind == "group":
        return _group(state, key, old if isinstance(old, Group) else None, values, checked)
    return _account(state, key, old if isinstance(old, Account) else None, values)


def _symbol(state: State, key: str, old: Symbol | None, values: Mapping[str, Any], checked: bool) -> Symbol:
    index = old.index if old is not None else max((s.index for s in state.symbols.values()), default=-1) + 1
    new = Symbol.from_values({"name": key, **values}, index=index)
    if old is not None and "halt" not in values:
        new.halt = old.halt  # a kill switch is turned by SetHalt, not by an edit of something else
    if checked and old is not None and new.digits != old.digits and _in_use(state, key):
        raise SettingError("digits", "cannot change while positions or orders are open")
    if checked and old is not None and new.calc_mode is not old.calc_mode and _is_held(state, key):
        raise SettingError("calc_mode", "cannot change while positions are open")
    return new


def _is_held(state: State, symbol: str) -> bool:
    return any(position.symbol == symbol for position in state.positions.values())


def _in_use(state: State, symbol: str) -> bool:
    return _is_held(state, symbol) or any(order.symbol == symbol for order in state.orders.values())


def _group(state: State, key: str, old: Group | None, values: Mapping[str, Any], checked: bool) -> Group:
    new = Group.from_values({"name": key, **values})
    if old is None:
        return new
    if "halt" not in values:
        new.halt = old.halt
    if checked and new.currency != old.currency and any(a.group == key for a in state.accounts.values()):
        raise SettingError("currency", "cannot change while the group has accounts")
    if checked:
        _check_spreads(state, old, new)
    return new


def _check_spreads(state: State, old: Group, new: Group) -> None:
    """Refuse a new spread of which half is not below the last bid of a symbol with positive prices (§2.3)."""
    for symbol in state.symbols.values():
        quote, diff = state.quotes.get(symbol.name), new.terms(symbol.security).spread_diff
        if quote is None or symbol.allow_negative or old.terms(symbol.security).spread_diff == diff:
            continue
        if spread_halves(diff)[0] >= quote.bid:
            bid = to_text(quote.bid, symbol.digits)
            raise SettingError(
                "spread_diff", f"half of {diff} points is not below the bid of {symbol.name}, which is {bid}"
            )


def _account(state: State, key: str, old: Account | None, values: Mapping[str, Any]) -> Account:
    known = read_account(values)
    group = state.groups.get(known.get("group", old.group if old is not None else ""))
    if group is None:
        raise SettingError("group", f"there is no group {known.get('group')!r}")
    if known.get("currency", group.currency) != group.currency:
        raise SettingError("currency", f"group {group.name} keeps {group.currency}")
    if old is None:
        new = Account(login=int(key), group=group.name, currency=group.currency)
    else:
        new = replace(old)
    if new.currency != group.currency:
        raise SettingError("group", f"group {group.name} keeps {group.currency}, the account {new.currency}")
    for name, value in known.items():
        setattr(new, name, value)
    if old is None or new.agent != old.agent:
        _check_agent(state, new)
    most = group.leverage_max
    is_asked = old is None or (new.leverage, new.group) != (old.leverage, old.group)
    if is_asked and most is not None and new.leverage > most:
        raise SettingError("leverage", f"{new.leverage} is above {most}, the most of group {group.name}")
    return new


def _check_agent(state: State, account: Account) -> None:
    """Refuse an agent that cannot be paid; one of another shard is for the door to judge."""
    if not account.agent:
        return
    if account.agent == account.login:
        raise SettingError("agent", f"account {account.login} cannot be its own agent")
    agent = state.accounts.get(account.agent)
    if agent is None:
        if shard_of(account.agent, state.shards) == shard_of(account.login, state.shards):
            raise SettingError("agent", f"there is no account {account.agent}")
    elif agent.currency != account.currency:
        raise SettingError(
            "agent", f"account {agent.login} keeps {agent.currency}, its client {account.currency}"
        )
