"""What the last dealer of a group leaves, in `manual_unless_no_dealers` (rules section 5)."""

from __future__ import annotations

from tests.oracle import dealing, smart, stopout, ticks, trading
from tests.oracle.book import Book, Request, Symbol
from tests.oracle.checks import in_session


def set_dealers(book: Book, dealers: dict[str, list[str] | None]) -> None:
    """Let these dealers be online, and release what is left to nobody, in the order of the queue."""
    served = {name for name in book.groups if book.is_served(name)}
    book.dealers = dealers
    left = {name for name in served if not book.is_served(name)}
    for request in list(book.requests):
        if request in book.requests and book.accounts[request.login].group in left:
            symbol = book.symbols[request.symbol]
            if book.setting(book.group(request.login), symbol, "execution") == "manual_unless_no_dealers":
                book.requests.remove(request)
                _release(book, request, symbol)


def _release(book: Book, request: Request, symbol: Symbol) -> None:
    book.actor = "client" if request.order is not None else "system"
    is_tradable = in_session(book, symbol) and book.is_fresh(symbol)
    if request.order is not None:
        if not in_session(book, symbol):
            trading.fail(book, request.order, "market_closed")
        elif not book.is_fresh(symbol):
            trading.fail(book, request.order, "off_quotes")
        elif request.kind == "market":
            dealing.confirm_market(book, request.order, None)
        elif request.kind == "close":
            dealing.confirm_close(book, request, None)
        else:
            trading.close_against(book, request.subject, request.opposite, request.order)
    elif request.kind == "so":
        stopout.run(book, request.login)
    elif not is_tradable or symbol.gateway:
        return
    elif request.kind == "pending":
        if request.subject in book.resting and ticks.is_reached(book, symbol, request.subject):
            ticks.activate(book, symbol, request.subject)
    elif request.kind in ("tp", "sl"):
        _exit(book, request, symbol)
    else:
        _plan_exit(book, request, symbol)


def _exit(book: Book, request: Request, symbol: Symbol) -> None:
    position = request.subject
    level = position.tp if request.kind == "tp" else position.sl
    if position.smart is not None or level is None:
        return
    market = book.close_price(position.login, symbol, position.side)
    beyond = market - level if (position.side == "buy") == (request.kind == "tp") else level - market
    if beyond < 0:
        return
    at_own = request.kind == "tp" and not book.group(position.login).positive_slippage
    ticks.exit_(book, symbol, position, request.kind, level, level if at_own else market)


def _plan_exit(book: Book, request: Request, symbol: Symbol) -> None:
    plan, index = request.subject
    position = plan.position
    market = book.close_price(position.login, symbol, position.side)
    is_buy = position.side == "buy"
    level = smart.stop_of(plan) if index == "stop" else plan.levels[index].price
    if level is None or (index != "stop" and plan.levels[index].status != "PENDING"):
        return
    is_reached = market <= level if is_buy == (index == "stop") else market >= level
    if not is_reached or not ticks.may_exit(book, symbol, position):
        return
    is_ok, changed = book.apply_hook("stops_apply", symbol)
    if not is_ok:
        return
    if index == "stop":
        dealing.close_by_stop(book, plan, market if changed is None else changed, level)
        return
    slips = book.group(position.login).positive_slippage
    price = market if slips else level
    dealing.close_level(book, plan, index, price if changed is None else changed)
