"""Views of positions and smart orders with their values of the moment, which take more than their own app."""

from typing import Any

from orders import smart_api
from positions import api as positions_api
from realtime.book import read_book, realised_profits


def _positions(account: Any) -> dict[int, dict[str, Any]]:
    return read_book(account.login).position_values()


def _smarts(account: Any) -> dict[int, dict[str, Any]]:
    return read_book(account.login).smart_values()


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
