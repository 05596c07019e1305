"""Which account a request is about. Whose an account is, live/rights.py decides.

A foreign account and one that does not exist look the same. A disabled account is told so to its owner and
shows nothing.
"""

import re
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from api.http.errors import Refused, not_found
from engine.codes import Code
from live.rights import first_own_account, own_account

MAX_NUMBER = 2**63 - 1
ACCOUNT = OpenApiParameter("account", int, description="Login; the caller's first account by default.")
_DIGITS = re.compile(r"[0-9]{1,19}")


def number_of(value: Any) -> int | None:
    """Return the whole number above 0 that a path, a query or a body names, None where it names none."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= MAX_NUMBER else None


def account_of(request: Request, login: Any = None) -> Any:
    """Return the account that the request is about: `login`, else `?account=`, else the user's first.

    Raises:
        Refused: the user has no such account, or it is disabled.
    """
    named = login if login is not None else request.query_params.get("account")
    if named is None:
        account = first_own_account(request.user)
    else:
        number = number_of(named)
        account = own_account(request.user, number) if number else None
    if account is None:
        raise not_found("There is no such account.")
    if not account.enabled:
        raise Refused(Code.ACCOUNT_DISABLED, f"account {account.login} is disabled")
    return account


def short_name(symbol: str) -> str:
    """Return the symbol as the old trade addresses spell it: BTCUSDT is btc, EURUSD is eurusd."""
    return symbol.removesuffix("USDT").lower() or symbol.lower()
