"""Views of orders, positions and smart orders with their values of the moment, which take more than their own app."""

from typing import Any

from engine.order_types import OrderType
from engine.rates import open_price, widen
from engine.rounding import to_text
from live.book import read_book, realised_profits
from markets.selectors import quotes_of
from orders import api as orders_api
from orders import requotes_api, smart_api
from orders.models import Order
from positions import api as positions_api


def _positions(account: Any) -> dict[int, dict[str, Any]]:
    return read_book(account.login).position_values()


def _smarts(account: Any) -> dict[int, dict[str, Any]]:
    return read_book(account.login).smart_values()


def _order_prices(account: Any, rows: list[Order]) -> dict[int, str]:
    """Return the price of each order's side by ticket, of the last committed quotes; the whole book is not read."""
    group = account.group.to_engine()
    quotes = quotes_of({row.symbol for row in rows})
    found = {}
    for row in rows:
        if row.symbol in quotes:
            symbol, quote = quotes[row.symbol]
            bid, ask = (int(price.scaleb(symbol.digits)) for price in (quote.bid, quote.ask))
            spread = group.terms(symbol.security_id).spread_diff
            seen = widen(bid, ask, spread, positive=not symbol.allow_negative)
            found[row.ticket] = to_text(open_price(seen, OrderType(row.type).side), symbol.digits)
    return found


class Orders(orders_api.Orders):
    live = staticmethod(_order_prices)


class OneOrder(orders_api.OneOrder):
    live = staticmethod(_order_prices)


class AcceptRequote(requotes_api.AcceptRequote):
    live = staticmethod(_order_prices)


class Positions(positions_api.Positions):
    live = staticmethod(_positions)


class OnePosition(positions_api.OnePosition):
    live = staticmethod(_positions)


class ClosePosition(positions_api.ClosePosition):
    live = staticmethod(_positions)


class ClosePositionBy(positions_api.ClosePositionBy):
    live = staticmethod(_positions)


class SmartOrders(smart_api.SmartOrders):
    live = staticmethod(_smarts)
    realised = staticmethod(realised_profits)


class OneSmartOrder(smart_api.OneSmartOrder):
    live = staticmethod(_smarts)
    realised = staticmethod(realised_profits)


class EndSmartOrder(smart_api.EndSmartOrder):
    live = staticmethod(_smarts)
    realised = staticmethod(realised_profits)
