"""What may be asked of the desk: the only way a command is written.

A client's click, a manager's action, REST, the TCP API and beat all come through here, with the same checks,
journal and push. Every call writes the journal first (that commit is the acknowledgement) and then waits for the desk
as long as its `Caller` says. Numbers with a point are decimal text, or Decimal or int; never float.
Promises: the same (account, client id) acts once; whatever a caller can cause comes back as a code.
It does not judge a request; the engine does. Inside a transaction it returns "accepted" without waiting,
because the desk sees the row only after the commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from dealing import dealers, journal, registry
from dealing.caller import UNNAMED, Caller
from dealing.changing import change_settings
from dealing.models import EngineControl, Halt
from dealing.registry import SETTINGS
from dealing.submission import (
    ACCEPTED,
    DONE,
    REFUSED,
    Number,
    Outcome,
    answers,
    as_text,
    judged,
    needed,
    submit,
    submit_to_all,
    write_rows,
)
from engine import commands as cmd
from engine.enums import By, DealerAnswer, EntryType, HaltLevel, HaltScope, LedgerKind, Side
from engine.order_types import OrderType

__all__ = [
    "ACCEPTED",
    "DONE",
    "REFUSED",
    "Caller",
    "Number",
    "Outcome",
    "change_settings",
    "submit",
    "submit_to_all",
]

# Orders and positions


def place_order(
    login: int,
    *,
    symbol: str,
    type: OrderType | str,  # noqa: A002 - the field's own word
    volume: Number,
    price: Number | None = None,
    limit_price: Number | None = None,
    sl: Number | None = None,
    tp: Number | None = None,
    expires: str | int | None = None,
    leverage: int | None = None,
    open_price: Number | None = None,
    open_time_ms: int | None = None,
    check_margin: bool = True,
    expected_price: Number | None = None,
    deviation: int | None = None,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Place a market or pending order; `ticket` of the outcome is the order's.

    A price worse than `expected_price` by more than `deviation` points is a requote.

    Raises:
        TypeError: a number is a float.
        ValueError: `type` is no word of engine.enums.
    """
    command = cmd.PlaceOrder(
        login=login,
        symbol=symbol,
        type=OrderType(type),
        volume=needed(volume),
        price=as_text(price),
        limit_price=as_text(limit_price),
        sl=as_text(sl),
        tp=as_text(tp),
        expires=expires,
        leverage=leverage,
        by=caller.by,
        actor=caller.actor,
        comment=caller.comment,
        open_price=as_text(open_price),
        open_time_ms=open_time_ms,
        check_margin=check_margin,
        expected_price=as_text(expected_price),
        deviation=deviation,
        client_id=caller.client_id,
    )
    return submit(command, login=login, caller=caller)


def accept_requote(login: int, order: int, *, caller: Caller = UNNAMED) -> Outcome:
    """Accept the price that a requote offered: a new order of the same terms; `order` is the one that failed."""
    command = cmd.AcceptRequote(login=login, order=order, by=By.CLIENT, actor=caller.actor)
    return submit(command, login=login, caller=caller)


def close_position(
    login: int,
    position: int,
    *,
    volume: Number | None = None,
    price: Number | None = None,
    expected_price: Number | None = None,
    deviation: int | None = None,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Close a position, or `volume` lots of it; `price` is for managers."""
    command = cmd.ClosePosition(
        login=login, position=position, volume=as_text(volume), price=as_text(price),
        expected_price=as_text(expected_price), deviation=deviation,
        by=caller.by, actor=caller.actor, comment=caller.comment,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


def close_by(login: int, position: int, opposite: int, *, caller: Caller = UNNAMED) -> Outcome:
    """Close two opposite positions of one symbol against each other."""
    command = cmd.CloseBy(
        login=login, position=position, opposite=opposite,
        by=caller.by, actor=caller.actor, comment=caller.comment,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


def _seen(values: Mapping[str, Number | None] | None) -> dict[str, Any] | None:
    """Return what a sender saw as decimal text by name."""
    return None if values is None else {name: as_text(value) for name, value in values.items()}


def modify_position(
    login: int,
    position: int,
    *,
    sl: Number | None = None,
    tp: Number | None = None,
    seen: Mapping[str, Number | None] | None = None,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Change a position's SL and TP: None keeps, NO_LEVEL deletes, "0" too where prices cannot be negative.

    `seen` is what the sender saw of them.
    """
    command = cmd.ModifyPosition(
        login=login, position=position, sl=as_text(sl), tp=as_text(tp), seen=_seen(seen), by=caller.by,
        actor=caller.actor,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


def modify_order(
    login: int,
    order: int,
    *,
    price: Number | None = None,
    limit_price: Number | None = None,
    sl: Number | None = None,
    tp: Number | None = None,
    expires: str | int | None = None,
    seen: Mapping[str, Number | None] | None = None,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Change a pending order: None keeps, NO_LEVEL deletes a stop, "0" too where prices cannot be negative.

    `seen` is what the sender saw of its prices.
    """
    command = cmd.ModifyOrder(
        login=login, order=order, price=as_text(price), limit_price=as_text(limit_price), sl=as_text(sl),
        tp=as_text(tp), expires=expires, seen=_seen(seen), by=caller.by, actor=caller.actor,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


def cancel_order(login: int, order: int, *, caller: Caller = UNNAMED) -> Outcome:
    """Delete a pending order."""
    command = cmd.CancelOrder(
        login=login, order=order, by=caller.by, actor=caller.actor, comment=caller.comment
    )
    return submit(command, login=login, caller=caller)


def balance_operation(
    login: int, kind: LedgerKind | str, amount: Number, *, override: bool = False, caller: Caller = UNNAMED
) -> Outcome:
    """Move money in or out of an account; `amount` in account currency."""
    command = cmd.BalanceOperation(
        login=login, kind=LedgerKind(kind), amount=needed(amount), override=override,
        by=By.MANAGER, actor=caller.actor, comment=caller.comment,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


# Smart orders


def _rungs(levels: Sequence[Sequence[Number]] | Sequence[Mapping[str, Number]]) -> list[list[str]]:
    """Return levels as [[price, percent], ...] from pairs or from {price, percent} mappings."""
    return [
        [needed(level["price"]), needed(level["percent"])]
        if isinstance(level, Mapping)
        else [needed(part) for part in level]
        for level in levels
    ]


def place_smart(
    login: int,
    *,
    symbol: str,
    side: Side | str,
    volume: Number,
    entry: EntryType | str = EntryType.MARKET,
    price: Number | None = None,
    position: int | None = None,
    take_profits: Sequence[Any] = (),
    stop_loss: Number | None = None,
    callback: Number | None = None,
    activation: Number | None = None,
    break_even: bool = False,
    offset: int = 0,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Place a smart order; `ticket` of the outcome is the smart order's number.

    take_profits: [[price, percent], ...] or [{"price", "percent"}, ...], nearest first.
    """
    command = cmd.PlaceSmart(
        login=login, smart=0, symbol=symbol, side=Side(side), volume=needed(volume),
        entry=EntryType(entry), price=as_text(price), position=position, take_profits=_rungs(take_profits),
        stop_loss=as_text(stop_loss), callback=as_text(callback), activation=as_text(activation),
        break_even=break_even, offset=offset, by=caller.by, actor=caller.actor, comment=caller.comment,
        client_id=caller.client_id,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


def modify_smart(
    login: int,
    smart: int,
    *,
    version: int | None = None,
    stop_loss: Number | None = None,
    callback: Number | None = None,
    break_even: bool | None = None,
    offset: int | None = None,
    levels: Sequence[Any] | None = None,
    caller: Caller = UNNAMED,
) -> Outcome:
    """Change a live smart order: None keeps, stop_loss "0" deletes, callback "0" ends trailing."""
    command = cmd.ModifySmart(
        login=login, smart=smart, version=version, stop_loss=as_text(stop_loss), callback=as_text(callback),
        break_even=break_even, offset=offset, levels=None if levels is None else _rungs(levels),
        by=caller.by, actor=caller.actor,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


def cancel_smart(
    login: int, smart: int, *, version: int | None = None, close: bool = False, caller: Caller = UNNAMED
) -> Outcome:
    """End a smart order by hand; with `close` its position is closed at the market too."""
    command = cmd.CancelSmart(
        login=login, smart=smart, version=version, close=close,
        by=caller.by, actor=caller.actor, comment=caller.comment,
    )  # fmt: skip
    return submit(command, login=login, caller=caller)


# Dealers


def set_dealers(entries: Sequence[str | Mapping[str, Any]], *, caller: Caller = UNNAMED) -> Outcome:
    """Say who is online to desks that go by the events' own times: names, or {"name", "groups"}.

    Other desks go by connections (dealing.dealers): nobody is online by saying so.
    """
    command = dealers.command_of(dealers.from_json(entries))
    return submit_to_all(command, caller=caller)


def take_request(request: int, dealer: str, *, caller: Caller = UNNAMED) -> Outcome:
    """Let one dealer own a request of the queue, or give it back with an empty name."""
    command = cmd.TakeRequest(request=request, dealer=dealer, by=By.MANAGER, actor=dealer)
    return submit_to_all(command, only=_queue(request), caller=caller)


def answer_request(
    request: int,
    answer: DealerAnswer | str,
    *,
    price: Number | None = None,
    dealer: str = "",
    caller: Caller = UNNAMED,
) -> Outcome:
    """Confirm, reject or requote a request of the dealers' queue; the same key asks once, and gets the same answer."""
    command = cmd.AnswerRequest(
        request=request, answer=DealerAnswer(answer), price=as_text(price), dealer=dealer,
        by=By.MANAGER, actor=dealer, comment=caller.comment,
    )  # fmt: skip
    return submit_to_all(command, only=_queue(request), caller=caller)


def _queue(request: int) -> int:
    """Return the shard of the account whose request it is; a number of none is answered by shard 0 as not found."""
    owners = (owner(request) for owner in registry.REQUEST_OWNERS)
    login = next((login for login in owners if login is not None), 0)
    return journal.shard_of(login)


# The server


def reload_settings(kind: str, key: str | int, *, caller: Caller = UNNAMED) -> Outcome:
    """Hand the row of a "symbol", "group" or "account" to the engine, between two ticks.

    Kill switches are turned by `set_halt` alone: what the row says about them is left out.

    Raises:
        LookupError: there is no such kind, or no such row.
    """
    values = {k: v for k, v in SETTINGS[kind](str(key)).items() if k != "halt"}
    return change_settings(kind, key, values, caller=caller)


def set_halt(
    scope: HaltScope | str, key: str | int, level: HaltLevel | str, *, caller: Caller = UNNAMED
) -> Outcome:
    """Turn a kill switch; `key` is "" for the server, else a group, symbol or login.

    The server's switch stands in the control row too, which every batch reads in its first statement:
    a batch that was computed without it does not commit. The caller's `client_id` does not count: others may have turned
    it since, and to ask again is to turn it again.
    """
    caller = replace(caller, client_id="")
    scope, level = HaltScope(scope), HaltLevel(level)
    command = cmd.SetHalt(scope=scope, key=str(key), level=level, by=By.MANAGER, actor=caller.actor)
    if scope is HaltScope.ACCOUNT:
        login = int(key)
        return submit_to_all(command, only=journal.shard_of(login), caller=caller)
    if scope is not HaltScope.SERVER:
        return submit_to_all(command, caller=caller)
    with transaction.atomic():
        EngineControl.objects.update_or_create(pk=1, defaults={"halt_level": level.value})
        entries = write_rows(command, caller=caller)
    return answers(entries, caller.wait_s)


def halts() -> list[Halt]:
    """Return the kill switches that are turned, as shard 0 obeys them."""
    return list(Halt.objects.filter(shard=0).order_by("scope", "key"))


def configure_plugin(name: str, values: Mapping[str, Any], *, caller: Caller = UNNAMED) -> Outcome:
    """Hand new options to a loaded plugin; as with a switch the caller's `client_id` does not count."""
    command = cmd.ConfigurePlugin(plugin=name, values=dict(values), by=By.MANAGER, actor=caller.actor)
    return submit_to_all(command, caller=replace(caller, client_id=""))


# Looking up


def command_outcome(command_id: int) -> Outcome | None:
    """Return the outcome of a journal row as it stands now, None where there is no such row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT shard, ticket, smart FROM dealing_command WHERE id = %s", (command_id,))
        row = cursor.fetchone()
    if row is None:
        return None
    return judged(journal.Entry(command_id, *row), journal.outcome_of(command_id))


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that was asked of an account, as the journal has it."""

    name: str
    client_id: str
    outcome: Outcome
    created_at: datetime
    done_at: datetime | None


def request_of(login: int, *, client_id: str = "", ticket: int = 0) -> Request | None:
    """Return an account's request by the client's own id, or by the ticket reserved for it; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, shard, ticket, smart, name, client_key, created_at, done_at FROM dealing_command"
            " WHERE login = %s AND (client_key = %s OR ticket = %s) ORDER BY id LIMIT 1",
            (login, journal.clean(client_id) or None, ticket or None),
        )
        row = cursor.fetchone()
    if row is None:
        return None
    outcome = judged(journal.Entry(*row[:4]), journal.outcome_of(row[0]))
    return Request(row[4], row[5] or "", outcome, row[6], row[7])


def outcome_by_client_id(login: int, client_id: str) -> Outcome | None:
    """Return the outcome of an account's command by the client's own id, None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM dealing_command WHERE login = %s AND client_key = %s",
            (login, journal.clean(client_id)),
        )
        row = cursor.fetchone()
    return command_outcome(row[0]) if row else None
