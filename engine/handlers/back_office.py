"""Commands of the back office: money, settings, kill switches, day end, plugins."""

from engine import checks
from engine.calendar import next_day_end
from engine.changes import ACCOUNT_KEYS, Change, change_of, conflicts
from engine.codes import Code
from engine.commands import (
    BalanceOperation,
    BookAgentCommission,
    ChangeSettings,
    ConfigurePlugin,
    SetHalt,
)
from engine.core import Core
from engine.dealer_queue import retime_requests
from engine.enums import CREDIT_KINDS, OPERATION_KINDS, TAKING_KINDS, HaltScope, LedgerKind
from engine.events import AccountChanged, CommandDone, HaltChanged, SettingsChanged
from engine.execution import book_money
from engine.handlers.answers import refused
from engine.precedence import Family, Rule, judge
from engine.records import Account
from engine.refusals import Refusal, refuse
from engine.rounding import on_grid, to_text
from engine.settings import Group, Server, SettingError, Symbol, currency_digits
from engine.state import State
from engine.valuation import account_state, keep_rates, money_text
from engine.whatif import concerned, forecast

#: What an account may hold and one operation may move, in whole units of its currency.
MAX_MONEY = 10**15


def balance(core: Core, command: BalanceOperation) -> CommandDone:
    """Move money: what takes it may not leave balance, credit or free margin below 0, unless overridden."""
    refusal = _balance_refusal(core.state, command)
    if refusal is not None:
        return refused(refusal, login=command.login)
    account = core.state.accounts[command.login]
    amount = _signed(command, account)
    book_money(core, account, command.kind, amount, comment=command.comment, actor=command.actor)
    return CommandDone("", login=command.login)


def _amount(command: BalanceOperation, account: Account) -> int:
    """Return the amount in minor units, where a rule before has found it to be one."""
    amount = on_grid(command.amount, currency_digits(account.currency))
    assert amount is not None
    return amount


def _signed(command: BalanceOperation, account: Account) -> int:
    """Return by how much balance or credit changes, in minor units."""
    amount = _amount(command, account)
    return -amount if command.kind in TAKING_KINDS else amount


def _balance_refusal(state: State, command: BalanceOperation) -> Refusal | None:
    def account() -> Account:
        return state.accounts[command.login]

    return judge(Family.MOVE_MONEY, {
        Rule.ACCOUNT_KNOWN: lambda: checks.known_check(state, command.login),
        Rule.AMOUNT: lambda: _amount_check(command, account()),
        Rule.TAKEN_IS_THERE: lambda: _taken_check(state, command, account()),
        Rule.SUM_IS_HELD: lambda: _sum_check(command, account()),
    })  # fmt: skip


def _operation(command: BalanceOperation) -> str:
    return command.kind.replace("_", " ")


def _amount_check(command: BalanceOperation, account: Account) -> Refusal | None:
    """An amount of the account's currency that this operation takes."""
    digits = currency_digits(account.currency)
    if command.kind not in OPERATION_KINDS:
        kinds = ", ".join(sorted(OPERATION_KINDS))
        return refuse(Code.INVALID_AMOUNT, "kind", kind=command.kind, kinds=kinds)
    amount = on_grid(command.amount, digits)
    if amount is None:
        text = ascii(command.amount)
        return refuse(Code.INVALID_AMOUNT, "off_grid", amount=text, currency=account.currency, digits=digits)
    if amount == 0 or (amount < 0 and command.kind is not LedgerKind.CORRECTION):
        operation = _operation(command)
        return refuse(Code.INVALID_AMOUNT, "not_above_0", amount=command.amount, operation=operation)
    if abs(amount) > MAX_MONEY * 10**digits:
        return refuse(Code.INVALID_AMOUNT, "too_much", amount=command.amount, most=MAX_MONEY)
    return None


def _taken_check(state: State, command: BalanceOperation, account: Account) -> Refusal | None:
    """What is taken is there."""
    if command.kind not in TAKING_KINDS:
        return None
    amount, is_credit = _amount(command, account), command.kind is LedgerKind.CREDIT_OUT
    if is_credit and account.credit < amount:
        return _lacking(state, command, "credit", account.credit)
    if command.override:
        return None
    if not is_credit and account.balance < amount:
        return _lacking(state, command, "balance", account.balance)
    free = account_state(state, account.login).free_margin
    return _lacking(state, command, "free margin", free) if free < amount else None


def _lacking(state: State, command: BalanceOperation, what: str, there: int) -> Refusal:
    text = money_text(state, command.login, there)
    operation = _operation(command)
    return refuse(Code.NO_MONEY, "taken", operation=operation, amount=command.amount, what=what, there=text)


def _sum_check(command: BalanceOperation, account: Account) -> Refusal | None:
    """The account can hold what it would have."""
    digits = currency_digits(account.currency)
    standing = account.credit if command.kind in CREDIT_KINDS else account.balance
    total = standing + _signed(command, account)
    if abs(total) <= MAX_MONEY * 10**digits:
        return None
    return refuse(Code.INVALID_AMOUNT, "holds", amount=to_text(total, digits), most=MAX_MONEY)


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
    """Change the settings of a symbol, group or account; all acts from now on.

    Only the accounts whose figures may differ are looked at again; levels are armed anew only where a group
    may see them at another price.
    """
    state = core.state
    try:
        wrong = conflicts(state, command)
        change = change_of(state, command) if not wrong else None
    except SettingError as error:
        return CommandDone(Code.INVALID_SETTING, str(error))
    if change is None:
        fields = ", ".join(str(each["field"]) for each in wrong)
        return CommandDone(
            Code.CONFLICT, f"changed by somebody else meanwhile: {fields}", data={"fields": wrong}
        )
    affected = concerned(state, change.old, change.new)
    if command.accounts is not None or command.is_trial:
        outcome = forecast(state, change.old, change.new, affected)
        data = {"forecast": outcome.to_json()}
        if command.accounts is not None and outcome.acting > command.accounts:
            message = f"it would close or open something in {outcome.acting} accounts by now, not in {command.accounts}"
            return CommandDone(Code.CONFLICT, message, data=data)
        if command.is_trial:
            return CommandDone("", data=data)
    _put(core, change, affected)
    core.emit(
        SettingsChanged(
            command.kind, command.key, change.before, change.after, command.actor, is_new=change.old is None
        )
    )
    return CommandDone("")


def _put(core: Core, change: Change, affected: list[int]) -> None:
    """Put the changed record in the place of the old one, and arm what it moves."""
    state, old, new = core.state, change.old, change.new
    rearm = False
    if isinstance(new, Symbol):
        if old is not None:
            keep_rates(state, new.name)
        state.symbols[new.name] = new
        rearm = isinstance(old, Symbol) and new.security != old.security
    elif isinstance(new, Group):
        state.groups[new.name] = new
        if isinstance(old, Group):
            if new.timeout_s != old.timeout_s:
                retime_requests(core, new)
            rearm = _spreads(new) != _spreads(old)
    elif isinstance(new, Server):
        state.server = new
        # A changed day end counts from the next moment after now (§10.4).
        state.day_end_ms = next_day_end(new.zone, new.day_end_ms, state.now_ms)
    else:
        account = state.accounts.setdefault(new.login, new)
        rearm = account.group != new.group
        for key in (*ACCOUNT_KEYS, "halt"):
            setattr(account, key, getattr(new, key))
        affected = [new.login]
        core.emit(AccountChanged(account))
    if not isinstance(new, Account):
        state.index_settings()
    for login in affected:
        state.book(login).holdings = None
    core.bounds.touch_many(affected)
    if rearm:
        core.write_marks(set(affected))
        core.arm_everything()


def _spreads(group: Group) -> tuple[int, dict[str, int]]:
    return group.default_terms.spread_diff, {k: v.spread_diff for k, v in group.securities.items()}


def set_halt(core: Core, command: SetHalt) -> CommandDone:
    """Turn a kill switch; it is obeyed from the next item on."""
    state = core.state
    if command.scope is HaltScope.SERVER:
        state.server_halt = command.level.value
        core.bounds.wake(lambda login: True)
    elif command.scope is HaltScope.GROUP and command.key in state.groups:
        state.groups[command.key].halt = command.level
        core.bounds.wake(lambda login: state.accounts[login].group == command.key)
    elif command.scope is HaltScope.SYMBOL and command.key in state.symbols:
        state.symbols[command.key].halt = command.level
        core.bounds.wake(lambda login: command.key in state.book(login).held())
    elif command.scope is HaltScope.ACCOUNT and command.key.isdigit() and int(command.key) in state.accounts:
        account = state.accounts[int(command.key)]
        account.halt = command.level.value
        core.bounds.wake(lambda login: login == account.login)
        core.emit(AccountChanged(account))
    else:
        return CommandDone(Code.INVALID_SETTING, f"there is no {command.scope} {command.key!r}")
    core.emit(HaltChanged(command.scope.value, command.key, command.level.value))
    return CommandDone("")


def configure_plugin(core: Core, command: ConfigurePlugin) -> CommandDone:
    """Hand options to a plugin."""
    wrong = core.hooks.configure(command.plugin, command.values)
    return CommandDone(Code.INVALID_SETTING if wrong else "", wrong)
