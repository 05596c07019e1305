"""Requotes: an order fails with another price, which its client may accept for a while (§5.8, §5.9).

An offer keeps what the order asked for, so that accepting is a new order of the same terms. It is used up by
being accepted; one that has run out is remembered for 31 days, so that a late acceptance can be told so.
"""

from heapq import heappush

from engine.codes import Code
from engine.commands import NO_LEVEL, ClosePosition, Command, PlaceOrder, to_json
from engine.core import OFFER_REMEMBERED_MS, Core
from engine.enums import By
from engine.events import OfferChanged
from engine.order_ending import fail_order
from engine.records import Offer, Order, lots_text
from engine.rounding import to_text

OFFER_EXPIRY = 2  # kind of an entry of `Core.expiries`


def requote(core: Core, order: Order, price: int, terms: Command | None) -> None:
    """Let an order fail with a price in points; with its terms it becomes an offer."""
    order.requote_price = price
    offered = None if order.smart else terms
    if offered is not None:
        order.requote_expires_ms = core.state.now_ms + core.state.group_of(order.login).requote_ttl_ms
    fail_order(core, order, Code.REQUOTE)
    if offered is None:
        return
    offer = Offer(
        order=order.ticket, login=order.login, symbol=order.symbol, price=price, digits=order.digits,
        expires_ms=order.requote_expires_ms, name=type(offered).__name__, terms=to_json(offered),
    )  # fmt: skip
    core.state.offers[offer.order] = offer
    heappush(core.expiries, (offer.expires_ms + OFFER_REMEMBERED_MS, OFFER_EXPIRY, offer.order))
    core.emit(OfferChanged(offer, open=True))


def forget(core: Core, order: int) -> Offer | None:
    """Take an offer away and return it."""
    offer = core.state.offers.pop(order, None)
    if offer is not None:
        core.emit(OfferChanged(offer, open=False))
    return offer


def terms_of(order: Order, *, whole: bool) -> Command:
    """Return what a queued market order or close asked for, from its record."""
    expected = None if order.expected_price is None else to_text(order.expected_price, order.digits)
    if order.position:
        return ClosePosition(
            login=order.login, position=order.position, volume=None if whole else lots_text(order.volume),
            expected_price=expected, deviation=order.deviation, by=By.CLIENT, comment=order.comment,
        )  # fmt: skip
    return PlaceOrder(
        login=order.login, symbol=order.symbol, type=order.type, volume=lots_text(order.volume),
        sl=_level(order, order.sl, deletes=order.deletes_sl), tp=_level(order, order.tp, deletes=order.deletes_tp),
        leverage=order.leverage, expected_price=expected, deviation=order.deviation, by=By.CLIENT,
        comment=order.comment,
    )  # fmt: skip


def _level(order: Order, level: int | None, *, deletes: bool) -> str | None:
    if deletes:
        return NO_LEVEL
    return None if level is None else to_text(level, order.digits)


def offer_data(order: Order) -> dict[str, object]:
    """Return what the answer to a requoted request tells besides its code."""
    price = order.requote_price
    return {
        "requote_price": None if price is None else to_text(price, order.digits),
        "requote_expires_ms": order.requote_expires_ms,
    }
