"""Commands of the back office: money, settings, kill switches, day end, plugins."""

from collections.abc import Callable

from engine.codes import Code
from engine.commands import (
    BalanceOperation,
    BookAgentCommission,
    ChangeSettings,
    ConfigurePlugin,
    EndDay,
    SetHalt,
)
from engine.core import Core
from engine.enums import CREDIT_KINDS, OPERATION_KINDS, TAKING_KINDS, HaltScope, LedgerKind, OrderReason
from engine.events import AccountChanged, CommandDone, DayEnded, HaltChanged, SettingsChanged
from engine.execution import book_money
from engine.profit import swap_of_day
from engine.queue import cancel_order, retime_requests
from engine.records import Account
from engine.refusals import money
from engine.rounding import on_grid, to_text
from engine.settings import DAY_MS, Group, SettingError, Symbol, currency_digits, read_account
from engine.state import Book
from engine.valuation import account_state

#: What an account may hold and one operation may move, in whole units of its currency.
MAX_MONEY = 10**15


def balance(core: Core, command: BalanceOperation) -> CommandDone:
    """Move money: what takes it may not leave balance, credit or free margin below 0, unless overridden."""
    account = core.state.accounts.get(command.login)
    if account is None:
        return CommandDone(Code.ACCOUNT_DISABLED, f"there is no account {command.login}", login=command.login)
    digits = currency_digits(account.currency)
    amount = on_grid(command.amount, digits)
    wrong = _wrong_amount(command, account, amount)
    if wrong or amount is None:
        return CommandDone(Code.INVALID_AMOUNT, wrong, login=command.login)
    if command.kind in TAKING_KINDS:
        lacking = _lacking(core, command, account, amount)
        if lacking:
            said = f"{command.kind.replace('_', ' ')} of {command.amount}: {lacking}"
            return CommandDone(Code.NO_MONEY, said, login=command.login)
        amount = -amount
    standing = account.credit if command.kind in CREDIT_KINDS else account.balance
    if abs(standing + amount) > MAX_MONEY * 10**digits:
        said = f"{to_text(standing + amount, digits)} is more than an account holds, which is {MAX_MONEY}"
        return CommandDone(Code.INVALID_AMOUNT, said, login=command.login)
    book_money(core, account, command.kind, amount, comment=command.comment, actor=command.actor)
    return CommandDone("", login=command.login)


def _wrong_amount(command: BalanceOperation, account: Account, amount: int | None) -> str:
    """Return why this is no amount of the account's currency for this operation, "" where it is one."""
    digits = currency_digits(account.currency)
    if command.kind not in OPERATION_KINDS:
        return f"{command.kind} is no operation; there are {', '.join(sorted(OPERATION_KINDS))}"
    if amount is None:
        return f"{command.amount!a} is no amount of {account.currency}, which has {digits} digits"
    if amount == 0 or (amount < 0 and command.kind is not LedgerKind.CORRECTION):
        return f"the amount {command.amount} of a {command.kind.replace('_', ' ')} must be above 0"
    if abs(amount) > MAX_MONEY * 10**digits:
        return f"the amount {command.amount} is more than {MAX_MONEY}"
    return ""


def _lacking(core: Core, command: BalanceOperation, account: Account, amount: int) -> str:
    """Return what is not there to be taken, "" where all of it is."""
    if command.kind is LedgerKind.CREDIT_OUT and account.credit < amount:
        return f"the credit is {money(core, account.login, account.credit)}"
    if command.override:
        return ""
    if command.kind is not LedgerKind.CREDIT_OUT and account.balance < amount:
        return f"the balance is {money(core, account.login, account.balance)}"
    free = account_state(core.state, account.login).free_margin
    return f"the free margin is {money(core, account.login, free)}" if free < amount else ""


def agent_commission(core: Core, command: BookAgentCommission) -> CommandDone:
    """Pay an agent for a close on another shard."""
    account = core.state.accounts.get(command.login)
    if account is None:
        return CommandDone(Code.ACCOUNT_DISABLED, f"there is no account {command.login}", login=command.login)
    amount = on_grid(command.amount, currency_digits(account.currency))
    if amount is None or amount <= 0:
        return CommandDone(Code.INVALID_AMOUNT, command.amount, login=command.login)
    book_money(
        core,
        account,
        LedgerKind.AGENT_COMMISSION,
        amount,
        deal=command.deal,
        comment=f"agent of {command.client}",
    )
    return CommandDone("", login=command.login)


def change_settings(core: Core, command: ChangeSettings) -> CommandDone:
    """Replace the settings of a symbol or group, or change those of an account; all acts from now on.

    Only the accounts whose figures may differ are looked at again; levels are armed anew only where a group
    may see them at another price.
    """
    change = _CHANGES.get(command.kind)
    try:
        if change is None:
            raise SettingError("kind", f"{command.kind!r} is none of {', '.join(_CHANGES)}")
        affected, rearm = change(core, command)
    except SettingError as error:
        return CommandDone(Code.INVALID_SETTING, str(error))
    if command.kind != "account":
        core.state.index_settings()
    for login in affected:
        core.state.book(login).margin = None
    core.watch.touch_many(affected)
    if rearm:
        core.settle_marks(set(affected))
        core.arm_everything()
    core.emit(SettingsChanged(command.kind, command.key))
    return CommandDone("")


Affected = tuple[list[int], bool]  # logins whose figures may differ; whether levels are to be armed anew


def _change_symbol(core: Core, command: ChangeSettings) -> Affected:
    state = core.state
    old = state.symbols.get(command.key)
    index = old.index if old is not None else max((s.index for s in state.symbols.values()), default=-1) + 1
    new = Symbol.from_values({"name": command.key, **command.values}, index=index)
    if old is not None and "halt" not in command.values:
        new.halt = old.halt  # a kill switch is turned by SetHalt, not by an edit of something else
    if old is not None and new.digits != old.digits and _in_use(core, command.key):
        raise SettingError("digits", "cannot change while positions or orders are open")
    state.symbols[command.key] = new
    if old is None:
        return [], False
    moved = new.security != old.security
    pair = (old.digits, old.base_currency, old.profit_currency)
    if moved or pair != (new.digits, new.base_currency, new.profit_currency):
        return list(state.books), moved  # others may convert through it
    return [login for login, book in state.books.items() if _touches(book, command.key)], False


def _touches(book: Book, symbol: str) -> bool:
    held = any(position.symbol == symbol for position in book.positions.values())
    return held or any(order.symbol == symbol for order in book.orders.values())


def _in_use(core: Core, symbol: str) -> bool:
    state = core.state
    held = any(position.symbol == symbol for position in state.positions.values())
    return held or any(order.symbol == symbol for order in state.orders.values())


def _change_group(core: Core, command: ChangeSettings) -> Affected:
    state = core.state
    old = state.groups.get(command.key)
    new = Group.from_values({"name": command.key, **command.values})
    if old is not None and "halt" not in command.values:
        new.halt = old.halt
    has_accounts = any(account.group == command.key for account in state.accounts.values())
    if old is not None and new.currency != old.currency and has_accounts:
        raise SettingError("currency", "cannot change while the group has accounts")
    state.groups[command.key] = new
    if old is None:
        return [], False
    if new.timeout_s != old.timeout_s:
        retime_requests(core, new)
    spreads = (old.default_terms.spread_diff, {k: v.spread_diff for k, v in old.securities.items()})
    now = (new.default_terms.spread_diff, {k: v.spread_diff for k, v in new.securities.items()})
    members = [login for login in state.books if state.accounts[login].group == command.key]
    return members, spreads != now


def _change_account(core: Core, command: ChangeSettings) -> Affected:
    state = core.state
    values = read_account(command.values)
    login = int(command.key)
    account = state.accounts.get(login)
    group = state.groups.get(values.get("group", account.group if account is not None else ""))
    if group is None:
        raise SettingError("group", f"there is no group {values.get('group')!r}")
    if values.get("currency", group.currency) != group.currency:
        raise SettingError("currency", f"group {group.name} keeps {group.currency}")
    if account is None:
        account = state.accounts[login] = Account(login=login, group=group.name, currency=group.currency)
    if account.currency != group.currency:
        raise SettingError(
            "group", f"group {group.name} keeps {group.currency}, the account {account.currency}"
        )
    moved = account.group != group.name
    for key, value in values.items():
        setattr(account, key, value)
    core.emit(AccountChanged(account))
    return [login], moved


_CHANGES: dict[str, Callable[[Core, ChangeSettings], Affected]] = {
    "symbol": _change_symbol,
    "group": _change_group,
    "account": _change_account,
}


def set_halt(core: Core, command: SetHalt) -> CommandDone:
    """Turn a kill switch; it is obeyed from the next item on."""
    state = core.state
    if command.scope is HaltScope.SERVER:
        state.server_halt = command.level.value
    elif command.scope is HaltScope.GROUP and command.key in state.groups:
        state.groups[command.key].halt = command.level
    elif command.scope is HaltScope.SYMBOL and command.key in state.symbols:
        state.symbols[command.key].halt = command.level
    elif command.scope is HaltScope.ACCOUNT and command.key.isdigit() and int(command.key) in state.accounts:
        account = state.accounts[int(command.key)]
        account.halt = command.level.value
        core.emit(AccountChanged(account))
    else:
        return CommandDone(Code.INVALID_SETTING, f"there is no {command.scope} {command.key!r}")
    core.emit(HaltChanged(command.scope.value, command.key, command.level.value))
    return CommandDone("")


def end_day(core: Core, command: EndDay) -> CommandDone:
    """Accrue the swap of the day that ends at this instant on every open position; day orders expire.

    00:00 belongs to the day that ends: the weekday is that of the instant just before.
    """
    state = core.state
    at = command.time_ms or state.now_ms
    weekday = ((at - 1) // DAY_MS + 3) % 7
    accrued: set[int] = set()
    for position in sorted(state.positions.values(), key=lambda p: (p.login, p.ticket)):
        if state.group_of(position.login).swap_free:
            continue
        swap = swap_of_day(state, position, state.symbols[position.symbol].swap_multipliers[weekday])
        if swap:
            position.swap += swap
            core.save_position(position)
            accrued.add(position.login)
    core.watch.touch_many(sorted(accrued))
    for order in sorted(state.orders.values(), key=lambda o: (o.login, o.ticket)):
        if order.expires_day:
            cancel_order(core, order, reason=OrderReason.EXPIRATION)
            core.watch.touch(order.login)
    core.emit(DayEnded(at))
    return CommandDone("")


def configure_plugin(core: Core, command: ConfigurePlugin) -> CommandDone:
    """Hand options to a plugin."""
    wrong = core.hooks.configure(command.plugin, command.values)
    return CommandDone(Code.INVALID_SETTING if wrong else "", wrong)
