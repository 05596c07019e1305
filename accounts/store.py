"""Accounts, groups and the ledger: rows to the engine's records and back.

`load` reads what the engine starts from, `record` writes what a batch changed, in the caller's transaction and
one statement a table. Promises: a record that was written is read back equal. Only the desk calls it.
"""

from typing import Any

from accounts.models import GROUP_DECIMALS, GROUP_PLAIN, Group, GroupSecurity
from accounts.models import Account as AccountRow
from dealing.columns import Cursor, Table, decimal_text, moment_text, ms_of, units_of, update_row
from dealing.loading import load_each, load_settings, make_each
from engine.changes import TERMS
from engine.enums import HaltLevel, LedgerKind
from engine.events import AccountDayEnded
from engine.records import Account, LedgerEntry
from engine.settings import currency_digits

ACCOUNTS = Table(
    "accounts_account",
    ("login",),
    {
        "login": "bigint", "group_id": "text", "currency": "text", "balance": "numeric",
        "credit": "numeric", "leverage": "bigint", "tier": "text", "agent": "bigint", "enabled": "bool",
        "read_only": "bool", "close_only": "bool", "halt": "text", "margin_call": "bool",
        "ledger_seq": "bigint", "event_seq": "bigint",
    },
)  # fmt: skip
LEDGER = Table(
    "accounts_ledgerentry",
    ("login", "seq"),
    {
        "login": "bigint", "seq": "bigint", "kind": "text", "amount": "numeric",
        "balance_after": "numeric", "credit_after": "numeric", "time": "timestamptz", "order": "bigint",
        "deal": "bigint", "comment": "text", "actor": "text",
    },
)  # fmt: skip


DAYS = Table(
    "accounts_accountday",
    ("login", "time"),
    {
        "login": "bigint", "time": "timestamptz", "balance": "numeric", "credit": "numeric",
        "equity": "numeric", "margin": "numeric", "floating": "numeric",
    },
)  # fmt: skip


def load(cursor: Cursor, state: Any, *, shard: int, shards: int) -> None:
    """Read all groups and this shard's accounts into `state`; what cannot be loaded is noted there."""
    own: dict[str, list[GroupSecurity]] = {}
    for terms in load_settings(
        cursor, state, GroupSecurity, key="group_id", kind="group", order_by="group_id, security"
    ):
        own.setdefault(terms.group_id, []).append(terms)

    def take_group(row: Group) -> None:
        group = row.to_engine(own.get(row.name, ()))
        state.groups[group.name] = group

    def take_account(row: Any) -> None:
        account = account_of(row)
        state.accounts[account.login] = account

    rows = load_settings(cursor, state, Group, key="name", kind="group", order_by="name")
    make_each(state, "group", rows, lambda row: str(row.name), take_group)
    load_each(
        cursor, state, table=ACCOUNTS.name, columns=list(ACCOUNTS.columns), order_by="login",
        where="login %% %s = %s", params=(shards, shard), take=take_account,
    )  # fmt: skip


def account_of(row: Any) -> Account:
    """Return the account of a row in the order of `ACCOUNTS.columns`."""
    (login, group, currency, balance, credit, leverage, tier, agent, *rest) = row
    digits = currency_digits(currency)
    return Account(
        login,
        group,
        currency,
        units_of(balance, digits),
        units_of(credit, digits),
        leverage,
        tier,
        agent or 0,
        *rest,
    )


def record(cursor: Cursor, changes: Any) -> None:
    """Write what a batch changed: accounts overwrite their rows, ledger entries are appended.

    Raises:
        LookupError: an account has no row; rows are made by doors before the engine hears of them.
    """
    _write_settings(cursor, changes)
    ACCOUNTS.update(cursor, [account_row(changes.accounts[login]) for login in sorted(changes.accounts)])
    digits = {login: currency_digits(account.currency) for login, account in changes.accounts.items()}
    unknown = sorted({e.login for e in changes.ledger} - digits.keys())
    if unknown:
        cursor.execute("SELECT login, currency FROM accounts_account WHERE login = ANY(%s)", (unknown,))
        digits.update((login, currency_digits(currency)) for login, currency in cursor.fetchall())
    LEDGER.insert(cursor, [ledger_row(e, digits[e.login]) for e in changes.ledger])
    DAYS.insert(
        cursor,
        [day_row(d, currency_digits(changes.state.accounts[d.login].currency)) for d in changes.account_days],
    )


def _write_settings(cursor: Cursor, changes: Any) -> None:
    """Write what was changed of groups; a new one's row is there before the desk hears of it."""
    for event in changes.settings_written_here():
        if event.kind != "group" or event.is_new:
            continue
        columns: dict[str, Any] = {}
        for key, value in event.after.items():
            if key in ("commission", "agent_commission"):
                columns |= _commission_columns(key, value, none="")
            elif key.startswith(TERMS):
                _write_terms(cursor, event.key, key.removeprefix(TERMS), value)
            elif key in (*GROUP_PLAIN, *GROUP_DECIMALS):
                columns[key] = value
        update_row(cursor, Group, event.key, columns)


def _commission_columns(key: str, value: Any, *, none: str) -> dict[str, Any]:
    told = value or {"kind": none, "amount": "0"}
    return {f"{key}_kind": told["kind"], f"{key}_amount": told["amount"]}


def _write_terms(cursor: Cursor, group: str, security: str, terms: Any) -> None:
    """Write a group's terms on one security; None takes them away."""
    if terms is None:
        cursor.execute(
            "DELETE FROM accounts_groupsecurity WHERE group_id = %s AND security = %s", (group, security)
        )
        return
    columns = {"execution": terms.get("execution", ""), "spread_diff": terms.get("spread_diff")}
    for key in ("commission", "agent_commission"):
        # Without the key it is the group's; with null there is none.
        columns |= _commission_columns(key, terms.get(key), none="none" if key in terms else "")
    names = ", ".join(f'"{name}"' for name in columns)
    fresh = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in columns)
    cursor.execute(
        f"INSERT INTO accounts_groupsecurity (group_id, security, {names})"
        f" VALUES (%s, %s{', %s' * len(columns)}) ON CONFLICT (group_id, security) DO UPDATE SET {fresh}",
        (group, security, *columns.values()),
    )


def group_values(key: str) -> dict[str, Any]:
    """Return the settings of a group's row as reload commands carry them.

    Raises:
        LookupError: there is no such group.
    """
    row = Group.objects.prefetch_related("securities").filter(name=key).first()
    if row is None:
        raise LookupError(f"no group {key}")
    return row.values()


def account_values(key: str) -> dict[str, Any]:
    """Return the settings of an account's row as reload commands carry them; no money.

    Raises:
        LookupError: there is no such account.
    """
    row = AccountRow.objects.filter(login=key).first() if key.isdecimal() else None
    if row is None:
        raise LookupError(f"no account {key}")
    return row.values()


def disagreements(cursor: Cursor, shard: int, shards: int) -> dict[int, str]:
    """Return the accounts of a shard whose money is not what their last ledger entry left, and why.

    The whole ledger is for `manage.py audit`; this looks at one entry an account, so that a start stays quick.
    """
    cursor.execute(
        """
        SELECT a.login, a.balance, a.credit, a.ledger_seq, l.balance_after, l.credit_after, l.seq
        FROM accounts_account a
        LEFT JOIN LATERAL (SELECT seq, balance_after, credit_after FROM accounts_ledgerentry l
                           WHERE l.login = a.login ORDER BY seq DESC LIMIT 1) l ON true
        WHERE a.login %% %s = %s AND (a.ledger_seq <> coalesce(l.seq, 0)
              OR a.balance <> coalesce(l.balance_after, 0) OR a.credit <> coalesce(l.credit_after, 0))
        """,
        (shards, shard),
    )
    return {
        login: f"balance {balance}, credit {credit} after entry {seq}; the ledger ends with "
        f"{balance_after or 0}, {credit_after or 0} at entry {last or 0}"
        for login, balance, credit, seq, balance_after, credit_after, last in cursor.fetchall()
    }


def freeze(cursor: Cursor, logins: list[int]) -> None:
    """Mark accounts that the desk had to leave out as halted: a manager looks at them and lets them go."""
    cursor.execute(
        "UPDATE accounts_account SET halt = %s WHERE login = ANY(%s) AND halt <> %s",
        (HaltLevel.HALT.value, logins, HaltLevel.HALT.value),
    )


def account_row(a: Account) -> tuple[Any, ...]:
    """Return an account as a row in the order of `ACCOUNTS.columns`."""
    digits = currency_digits(a.currency)
    return (
        a.login, a.group, a.currency, decimal_text(a.balance, digits), decimal_text(a.credit, digits),
        a.leverage, a.tier, a.agent or None, a.enabled, a.read_only, a.close_only, a.halt, a.margin_call,
        a.ledger_seq, a.event_seq,
    )  # fmt: skip


def day_row(d: AccountDayEnded, digits: int) -> tuple[Any, ...]:
    """Return an account at a day end as a row in the order of `DAYS.columns`."""
    figures = d.figures
    amounts = (figures.balance, figures.credit, figures.equity, figures.margin, figures.floating)
    return d.login, moment_text(d.time_ms), *(decimal_text(amount, digits) for amount in amounts)


def ledger_row(e: LedgerEntry, digits: int) -> tuple[Any, ...]:
    """Return a ledger entry as a row in the order of `LEDGER.columns`."""
    return (
        e.login, e.seq, e.kind.value, decimal_text(e.amount, digits), decimal_text(e.balance_after, digits),
        decimal_text(e.credit_after, digits), moment_text(e.time_ms), e.order or None, e.deal or None, e.comment,
        e.actor,
    )  # fmt: skip


def ledger_of(row: Any, digits: int) -> LedgerEntry:
    """Return the ledger entry of a row in the order of `LEDGER.columns`; `digits` are its money's decimals.

    Raises:
        Inexact: a number does not fit its digits.
    """
    login, seq, kind, amount, balance_after, credit_after, time, order, deal, comment, actor = row
    return LedgerEntry(
        login=login,
        seq=seq,
        kind=LedgerKind(kind),
        amount=units_of(amount, digits),
        balance_after=units_of(balance_after, digits),
        credit_after=units_of(credit_after, digits),
        time_ms=ms_of(time),
        order=order or 0,
        deal=deal or 0,
        comment=comment,
        actor=actor,
    )
