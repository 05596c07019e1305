"""What a record looks like outside the desk: one table a record, for events, REST, WebSocket and the OpenAPI document.

    published   in the outbox and on Redis: the engine's own names, times in ms, 0 and "" for none (docs/events.md)
    client      the same as the WebSocket tells it: ISO 8601, null, `account` for the login
    resource    the same as REST shows it, with what moves with the market

Numbers are decimal text: prices with their record's digits, volumes with two decimals at least, money with those of the
account's currency. Adding a field to a record takes a line here, and nothing in REST, WebSocket or the document.
Promises: mappings are made at the moment of the event, because records go on changing. It decides nothing.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from dealing.columns import decimal_text, iso, moment, plain_fraction, volume_text
from engine.enums import SmartState
from engine.rounding import round_half_up

#: Who is told of a field: all of them; events alone; REST alone, by whoever knows the market; nobody but `derive`.
ALL, EVENTS, NOW, HIDDEN = "all", "events", "now", "hidden"
#: What `derive` returns where the WebSocket is to leave the field out.
LEFT_OUT: Any = object()

Printer = Callable[[Any, int, int], Any]
#: How a kind is printed, from (value, digits of the record's prices, digits of the account's money); null stays null.
PRINTERS: dict[str, Printer | None] = {
    "id": None,  # a number of another record; 0: none
    "int": None,
    "text": None,
    "flag": None,
    "decimal": None,  # text already
    "any": None,
    "time": None,  # ms; 0: none
    "word": lambda value, _digits, _money: value.value,
    "price": lambda value, digits, _money: decimal_text(value, digits),
    # an exact price in points
    "mean": lambda value, digits, _money: decimal_text(round_half_up(value), digits),
    "money": lambda value, _digits, money: decimal_text(value, money),
    "lots": lambda value, _digits, _money: volume_text(value),
    "percent": lambda value, _digits, _money: plain_fraction(value, 8),
    "whole": lambda value, _digits, _money: str(int(value)),
}
#: The words of live/schema.py; of all others: decimal.
SCHEMA_WORDS = {
    "id": "int", "int": "int", "text": "text", "word": "text", "flag": "flag", "time": "time", "any": "any",
}  # fmt: skip


class Field:
    """One field of a record.

    name: what clients call it. kind: of `PRINTERS`, with a `?` where it may be null. of: the record's attribute, which is
    its name in events, too, or what finds the value. derive: what clients are shown, made of the published mapping.
    """

    def __init__(
        self, name: str, kind: str, of: str | Callable[[Any], Any] = "", *, to: str = ALL,
        derive: Callable[[Mapping[str, Any]], Any] | None = None, each: "Shape | None" = None,
    ) -> None:  # fmt: skip
        self.name, self.to, self.derive, self.each = name, to, derive, each
        self.kind, self.nullable = kind.rstrip("?"), kind.endswith("?")
        self.key = of if isinstance(of, str) and of else name
        self.find: Callable[[Any], Any] | None = of if callable(of) else None
        self.printer = self._each if each is not None else PRINTERS[self.kind]

    @property
    def is_published(self) -> bool:
        """Return whether events carry it: what is derived or of the moment they do not."""
        return self.derive is None and self.to != NOW

    @property
    def word(self) -> str:
        """Return its word for the OpenAPI document."""
        return SCHEMA_WORDS.get(self.kind, "decimal") + ("?" if self.nullable else "")

    def client(self, value: Any) -> Any:
        """Return the published value as clients get it."""
        if self.kind == "time":
            return iso(moment(value)) if value else None
        if self.each is not None:
            return [self.each.client(one) for one in value]
        if self.nullable and self.kind in ("id", "text"):
            return value or None
        return value

    def _each(self, value: Any, digits: int, money: int) -> Any:
        assert self.each is not None
        return [self.each.published(one, money=money, digits=digits) for one in value]


class Shape:
    """What one kind of record looks like."""

    def __init__(self, *fields: Field) -> None:
        self.fields = fields
        carried = [field for field in fields if field.is_published]
        plain = [field for field in carried if field.find is None]
        self._keys = [field.key for field in plain]
        self._read = attrgetter(*self._keys)
        self._printers = [(field.key, field.printer) for field in plain if field.printer is not None]
        self._finders = [(field.key, field.find) for field in carried if field.find is not None]

    def published(
        self, record: Any, *, money: int = 0, digits: int = 0, extra: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a record as events show it.

        money: decimals of its account's currency. digits: of its prices, where it does not know them itself. extra: values
        of fields that are not the record's.
        """
        digits = getattr(record, "digits", digits)
        facts: dict[str, Any] = dict(zip(self._keys, self._read(record), strict=True))
        for key, printer in self._printers:
            value = facts[key]
            if value is not None:
                facts[key] = printer(value, digits, money)
        for key, find in self._finders:
            facts[key] = extra[key] if extra is not None and key in extra else find(record)
        return facts

    def client(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a published record as the WebSocket tells it."""
        members: dict[str, Any] = {}
        for field in self.fields:
            if field.derive is not None:
                value = field.derive(facts)
                if value is not LEFT_OUT:
                    members[field.name] = value
            elif field.to in (ALL, EVENTS) and field.key in facts:
                members[field.name] = field.client(facts[field.key])
        return members

    def resource(
        self, record: Any, now: Mapping[str, Any] | None = None, *, money: int = 0,
        extra: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return a record as REST shows it; `now` has what moves with the market, by name."""
        facts = self.published(record, money=money, extra=extra)
        members: dict[str, Any] = {}
        for field in self.fields:
            if field.to == NOW and now is not None and field.name in now:
                members[field.name] = now[field.name]
            elif field.derive is not None:
                value = field.derive(facts)
                members[field.name] = None if value is LEFT_OUT else value
            elif field.to == NOW:
                members[field.name] = None
            elif field.to == ALL:
                members[field.name] = field.client(facts[field.key])
        return members

    @property
    def words(self) -> dict[str, Any]:
        """Return what REST shows as words of the OpenAPI document, by name."""
        return {
            f.name: [f.each.words] if f.each is not None else f.word
            for f in self.fields
            if f.to in (ALL, NOW)
        }


def from_extra(_record: Any) -> Any:
    """Raise: whoever shows the record has this value, and hands it over in `extra`."""
    raise LookupError("a value that the record does not have is missing in `extra`")


def _expires(order: Mapping[str, Any]) -> str:
    until = order.get("expires_ms")
    return str(iso(moment(until))) if until else ("day" if order.get("expires_day") else "gtc")


ORDER = Shape(
    Field("ticket", "int"),
    Field("account", "int", "login"),
    Field("symbol", "text"),
    Field("type", "word"),
    Field("volume", "lots"),
    Field("status", "word"),
    Field("reason", "word"),
    Field("created_at", "time", "created_ms"),
    Field("modified_at", "time", "modified_ms"),
    Field("price", "price?"),
    Field("limit_price", "price?"),
    Field("market_price", "price?", to=NOW),  # of a pending one's side (§3.14)
    Field("sl", "price?"),
    Field("tp", "price?"),
    Field("expires_ms", "int", to=HIDDEN),
    Field("expires_day", "flag", to=HIDDEN),
    Field("expires", "text", derive=_expires),
    Field("leverage", "int?"),
    Field("requested_price", "price?"),
    Field("modified_price", "price?"),
    Field("expected_price", "price?"),
    Field("deviation", "int?"),
    Field("requote_price", "price?"),
    Field("requote_expires_at", "time?", "requote_expires_ms"),
    Field("position", "id?"),
    Field("smart", "id?"),
    Field("error", "text?"),
    Field("comment", "text"),
    Field("client_id", "text?"),
    Field("request", "id?"),
    Field("digits", "int"),
)
POSITION = Shape(
    Field("ticket", "int"),
    Field("account", "int", "login"),
    Field("symbol", "text"),
    Field("side", "word"),
    Field("volume", "lots"),
    Field("volume_opened", "lots"),
    Field("open_price", "mean"),
    Field("leverage", "whole"),
    Field("opened_at", "time", "opened_ms"),
    Field("modified_at", "time", "modified_ms"),
    Field("status", "word"),
    Field("sl", "price?"),
    Field("tp", "price?"),
    Field("fees", "money"),
    Field("swap", "money"),
    Field("next_swap", "money?", to=NOW),
    Field("profit", "money?", to=NOW),  # floating
    Field("price", "price?", to=NOW),
    Field("realised_profit", "money", "profit"),
    Field("fees_booked", "money"),
    Field("swap_booked", "money"),
    Field("close_price", "price?"),
    Field("smart", "id?"),
    Field("comment", "text"),
    Field("digits", "int"),
)
DEAL = Shape(
    Field("ticket", "int"),
    Field("account", "int", "login"),
    Field("order", "int"),
    Field("position", "int"),
    Field("symbol", "text"),
    Field("side", "word"),
    Field("direction", "word"),
    Field("volume", "lots"),
    Field("price", "price"),
    Field("requested_price", "price"),
    Field("time", "time", "time_ms"),
    Field("reason", "word"),
    Field("profit", "money?"),
    Field("fees", "money?"),
    Field("swap", "money?"),
    Field("open_price", "mean?"),
    Field("comment", "text"),
    Field("digits", "int"),
    Field("automatic", "flag", lambda deal: deal.evidence is not None),
    Field("trigger", "text?", lambda deal: (deal.evidence or {}).get("trigger")),
    Field("by", "word?"),
    # The market of that moment, raw and as the account's group saw it.
    Field("market_bid", "price?"),
    Field("market_ask", "price?"),
    Field("group_bid", "price?"),
    Field("group_ask", "price?"),
)
ACCOUNT = Shape(
    Field("login", "int"),
    Field("name", "text", to=NOW),
    Field("currency", "text"),
    Field("digits", "int", to=NOW),
    Field("group", "text"),
    Field("margin_mode", "text", to=NOW),
    Field("own_leverage", "int", "leverage", to=HIDDEN),
    # An event does not know the group's, which holds where the account has none of its own.
    Field("leverage", "int", to=NOW, derive=lambda account: account.get("leverage") or LEFT_OUT),
    Field("tier", "text"),
    Field("balance", "money"),
    Field("credit", "money"),
    Field("equity", "money?", to=NOW),
    Field("margin", "money?", to=NOW),
    Field("free_margin", "money?", to=NOW),
    Field("margin_level", "decimal?", to=NOW),
    Field("floating", "money?", to=NOW),
    Field("margin_call", "flag"),
    Field("margin_call_level", "decimal", to=NOW),
    Field("stop_out_level", "decimal", to=NOW),
    Field("stop_out_unit", "text", to=NOW),
    Field("enabled", "flag"),
    Field("read_only", "flag"),
    Field("close_only", "flag"),
    Field("halt", "text"),
)
ENTRY = Shape(
    Field("account", "int", "login"),
    Field("seq", "int"),
    Field("kind", "word"),
    Field("amount", "money"),
    Field("balance_after", "money"),
    Field("credit_after", "money"),
    Field("time", "time", "time_ms"),
    Field("order", "id?"),
    Field("deal", "id?"),
    Field("comment", "text"),
)
LEVEL = Shape(
    Field("number", "int"),
    Field("price", "price"),
    Field("percent", "percent"),
    Field("volume", "lots"),
    Field("status", "word"),
    Field("deal", "id?"),
    Field("time", "time?", "time_ms"),
)
ENDED = frozenset((SmartState.STOPPED.value, SmartState.CLOSED.value, SmartState.CANCELLED.value))
SMART = Shape(
    Field("id", "int"),
    Field("account", "int", "login"),
    Field("symbol", "text"),
    Field("side", "word"),
    Field("volume", "lots"),
    Field("remaining", "lots"),
    Field("entry", "word"),
    Field("state", "word"),
    Field("created_at", "time", "created_ms"),
    Field("modified_at", "time", "modified_ms"),
    Field("order", "id?"),
    Field("position", "id?"),
    Field("entry_price", "mean?"),
    Field("stop_loss", "price?"),
    Field("callback", "percent?"),
    Field("activation", "price?"),
    Field("activated", "flag"),
    Field("break_even", "flag"),
    Field("offset", "int"),
    Field("break_even_stop", "price?"),
    Field("break_even_triggered", "flag"),
    Field("levels", "any", each=LEVEL),
    Field("filled", "int", derive=lambda plan: sum(one["status"] == "FILLED" for one in plan.get("levels", ()))),
    Field("realised_profit", "money?", to=NOW),
    # Of one that has ended no tick moves the stop: of one that was stopped it is the one that fired (§9.2).
    Field("fired_stop", "price?", to=HIDDEN),
    Field("effective_stop", "price?", to=NOW, derive=lambda plan: plan.get("fired_stop") if plan.get("state") in ENDED else LEFT_OUT),
    Field("stop_source", "text?", to=NOW, derive=lambda plan: None if plan.get("state") in ENDED else LEFT_OUT),
    Field("high_water_mark", "price?", to=NOW),
    Field("open_profit", "money?", to=NOW),
    Field("version", "int"),
    Field("client_id", "text?"),
    Field("comment", "text"),
    Field("digits", "int"),
)  # fmt: skip
#: A price that was offered instead: `type` of an opening, `position` of a close; volume null for all of it.
REQUOTE = Shape(
    Field("order", "int"),
    Field("account", "int", "login"),
    Field("symbol", "text"),
    Field("type", "text?", lambda offer: offer.terms.get("type")),
    Field("volume", "decimal?", lambda offer: offer.terms["volume"]),
    Field("position", "id?", lambda offer: offer.terms.get("position") or 0),
    Field("price", "price"),
    Field("expires_at", "time", "expires_ms"),
    Field("digits", "int"),
    Field("open", "flag", from_extra),
)
#: An entry of the dealers' queue: its client's list does not show the dealer and the reasons.
REQUEST = Shape(
    Field("id", "int"),
    Field("kind", "word"),
    Field("account", "int", "login"),
    Field("symbol", "text"),
    Field("side", "word"),
    Field("volume", "lots"),
    Field("price", "price?"),
    Field("requested_price", "price?", to=EVENTS),
    Field("order", "id?"),
    Field("position", "id?"),
    Field("smart", "id?"),
    Field("created_at", "time", "created_ms"),
    Field("expires_at", "time?", "expires_ms", to=EVENTS),
    Field("level", "id?", to=EVENTS),
    Field("dealer", "text", to=EVENTS),
    Field("open", "flag", from_extra, to=EVENTS),
    Field("outcome", "text", from_extra, to=EVENTS),
)
#: By the name under which events carry a record.
SHAPES = {
    "order": ORDER, "position": POSITION, "deal": DEAL, "account": ACCOUNT, "ledger": ENTRY, "smart": SMART,
    "requote": REQUOTE, "request": REQUEST,
}  # fmt: skip
