"""Forms of the admin's actions. Numbers stay decimal text; whether they are good is for the engine to say."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from engine.enums import HaltLevel, HaltScope, LedgerKind
from engine.order_types import OrderType
from engine.settings import LAST_MS
from manager.numbers import cleaned, typed

NOTHING = ("", "---------")
HALT_WORDS = {
    "normal": "normal: everything is allowed",
    "no_new_positions": "no new positions: orders that open are refused, everything else goes on",
    "close_only": "close only: nothing but closing is allowed",
    "halt": "halt: nothing is allowed, closing neither",
}


class NumberField(forms.CharField):
    """A number kept as decimal text, as manager/numbers.py reads it."""

    def __init__(self, **kwargs: Any) -> None:
        """Take a field's usual arguments."""
        kwargs.setdefault("max_length", 40)
        kwargs["widget"] = typed()
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        """Return the number as text, or None where the field was left empty.

        Raises:
            ValidationError: it is not taken, with a sentence that says what to write.
        """
        return cleaned(super().clean(value)) or None


class TextField(forms.CharField):
    """A line of text in the admin's dress."""

    def __init__(self, **kwargs: Any) -> None:
        """Take a field's usual arguments."""
        kwargs.setdefault("max_length", 200)
        kwargs["widget"] = UnfoldAdminTextInputWidget()
        super().__init__(**kwargs)


class TimeField(forms.CharField):
    """An instant, UTC, kept as milliseconds."""

    FORMATS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")

    def __init__(self, **kwargs: Any) -> None:
        """Take a field's usual arguments."""
        kwargs.setdefault("max_length", 40)
        kwargs["widget"] = UnfoldAdminTextInputWidget(
            {"placeholder": "YYYY-MM-DD HH:MM", "autocomplete": "off"}
        )
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        """Return milliseconds since 1970, or None where the field was left empty.

        Raises:
            ValidationError: it is no time.
        """
        text = super().clean(value).strip().replace("T", " ").removesuffix("Z").removesuffix(" UTC").strip()
        if not text:
            return None
        for form in self.FORMATS:
            try:
                instant = datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            whole = round((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
            if whole > LAST_MS:
                raise forms.ValidationError(
                    "Write a time before 31 December 9998.", code="invalid_expiration"
                )
            if whole > 0:
                return whole
        raise forms.ValidationError("Write a time as 2026-11-22 18:00, UTC.")


class WordField(forms.ChoiceField):
    """One word of a closed set; none is chosen beforehand, so that Enter sends nothing that nobody chose."""

    def __init__(self, words: Any, **kwargs: Any) -> None:
        """Take the words, an enum's members or pairs."""
        pairs = [w if isinstance(w, tuple) else (w.value, w.value.replace("_", " ")) for w in words]
        super().__init__(widget=UnfoldAdminSelectWidget(), **kwargs)
        self.offer(pairs)

    def offer(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Offer these, values with their words, behind an empty choice where one is needed."""
        nothing = [NOTHING] if all(value for value, _ in pairs) else []
        self.choices = [*nothing, *pairs]


class SwitchField(forms.BooleanField):
    """Yes or no."""

    def __init__(self, **kwargs: Any) -> None:
        """Take a field's usual arguments."""
        kwargs.setdefault("required", False)
        super().__init__(widget=UnfoldBooleanSwitchWidget(), **kwargs)


class ConfirmForm(forms.Form):
    """Nothing but a confirmation."""


class CommentForm(forms.Form):
    """A confirmation with a comment."""

    comment = TextField(required=False)


class GroupChoiceForm(forms.Form):
    """The group that accounts are moved to; none is chosen beforehand."""

    group = WordField([], label="To the group")

    def __init__(self, *args: Any, groups: Any, **kwargs: Any) -> None:
        """Offer these groups."""
        super().__init__(*args, **kwargs)
        names = [(group.name, f"{group.name} ({group.currency}, {group.margin_mode})") for group in groups]
        self.fields["group"].offer(names)  # type: ignore[attr-defined]


class MoneyForm(forms.Form):
    """A balance operation."""

    kind = WordField(
        [
            (kind.value, words)
            for kind, words in (
                (LedgerKind.DEPOSIT, "Deposit: money comes in"),
                (LedgerKind.WITHDRAWAL, "Withdrawal: money goes out"),
                (LedgerKind.CREDIT_IN, "Credit in: lent by the house, counts for equity"),
                (LedgerKind.CREDIT_OUT, "Credit out: credit taken back"),
                (LedgerKind.BONUS, "Bonus: a gift, booked as credit"),
                (LedgerKind.CHARGE, "Charge: a fee taken from the balance"),
                (LedgerKind.CORRECTION, "Correction: with its sign, + or -"),
            )
        ],
        label="Operation",
    )
    amount = NumberField(
        help_text="In the account's currency; positive, except a correction, which carries its sign."
    )
    comment = TextField(required=False, help_text="Stands in the ledger, which the client can read.")
    override = SwitchField(
        label="Override", help_text="Take money even if balance or free margin falls below 0."
    )

    def __init__(self, *args: Any, may_override: bool, **kwargs: Any) -> None:
        """Leave out the override for those who may not."""
        super().__init__(*args, **kwargs)
        if not may_override:
            del self.fields["override"]


class HaltForm(forms.Form):
    """How far a kill switch is turned."""

    level = WordField([(level.value, HALT_WORDS[level.value]) for level in HaltLevel])


class HaltAnyForm(HaltForm):
    """A kill switch of any scope."""

    scope = WordField(HaltScope, label="Of what")
    key = TextField(
        required=False,
        label="Which one",
        help_text="Empty for the server; else a group, a symbol, or a login.",
    )
    field_order = ("scope", "key", "level")


class OrderForm(forms.Form):
    """An order that a manager places for an account."""

    symbol = WordField([])
    type = WordField(OrderType)
    volume = NumberField(help_text="Lots.")
    price = NumberField(required=False, help_text="Pending orders only.")
    limit_price = NumberField(required=False, help_text="Stop-limit orders only.")
    sl = NumberField(required=False, label="Stop loss")
    tp = NumberField(required=False, label="Take profit")
    expires = WordField(
        [("", "never (good till cancelled)"), ("day", "at the end of the day"), ("time", "at a time")],
        required=False, help_text="Pending orders only.",
    )  # fmt: skip
    expires_at = TimeField(required=False, label="Expires at", help_text='UTC; with "at a time".')
    comment = TextField(required=False)
    open_price = NumberField(required=False, help_text="Market orders: another price than the market's.")
    open_time = TimeField(
        required=False, help_text="Market orders: when it counts as opened, UTC. Empty: now."
    )
    skip_margin = SwitchField(label="Leave out the margin check")
    OVERRIDES = ("open_price", "open_time", "skip_margin")

    def __init__(self, *args: Any, symbols: list[str], may_override: bool, **kwargs: Any) -> None:
        """Offer these symbols; leave out the overrides for those who may not."""
        super().__init__(*args, **kwargs)
        self.fields["symbol"].offer([(name, name) for name in symbols])  # type: ignore[attr-defined]
        if not may_override:
            for name in self.OVERRIDES:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """Ask for the time that "at a time" means."""
        given = super().clean() or {}
        if given.get("expires") == "time" and not given.get("expires_at") and "expires_at" not in self.errors:
            self.add_error("expires_at", "Say when it expires.")
        return given

    def asked(self) -> dict[str, Any]:
        """Return what the service takes, the comment left out."""
        given = self.cleaned_data
        expires = given["expires_at"] if given["expires"] == "time" else given["expires"] or None
        return {
            **{k: given[k] for k in ("symbol", "type", "volume", "price", "limit_price", "sl", "tp")},
            "expires": expires,
            "open_price": given.get("open_price"),
            "open_time_ms": given.get("open_time"),
            "check_margin": not given.get("skip_margin", False),
        }


class CloseForm(forms.Form):
    """Closing a position or part of it."""

    volume = NumberField(required=False, help_text="Lots; empty closes all of it.")
    price = NumberField(required=False, help_text="Empty: the market.")
    comment = TextField(required=False)

    def __init__(self, *args: Any, may_override: bool, **kwargs: Any) -> None:
        """Leave out the price for those who may not name one."""
        super().__init__(*args, **kwargs)
        if not may_override:
            del self.fields["price"]


class SeenForm(forms.Form):
    """Carries the prices that its page showed: what stands otherwise by now is refused, not overwritten."""

    seen = forms.JSONField(required=False, widget=forms.HiddenInput)

    def seen_of(self, given: dict[str, Any]) -> dict[str, Any] | None:
        """Return what was seen of the prices that are given, None where nothing of it was sent."""
        seen = given.get("seen")
        if not isinstance(seen, dict):
            return None
        return {name: seen[name] for name, value in given.items() if name in seen and value is not None}


class StopsForm(SeenForm):
    """Stop loss and take profit of a position."""

    sl = NumberField(required=False, label="Stop loss", help_text="Empty keeps it, 0 deletes it.")
    tp = NumberField(required=False, label="Take profit", help_text="Empty keeps it, 0 deletes it.")

    def clean(self) -> dict[str, Any]:
        """Ask for at least one of the two."""
        given = super().clean() or {}
        if not self.errors and given.get("sl") is None and given.get("tp") is None:
            raise forms.ValidationError("Give a stop loss, a take profit, or both.")
        return {**given, "seen": self.seen_of(given)}


class ModifyForm(SeenForm):
    """Price and stops of a pending order."""

    price = NumberField(required=False, help_text="Empty keeps it.")
    limit_price = NumberField(required=False, help_text="Empty keeps it.")
    sl = NumberField(required=False, label="Stop loss", help_text="Empty keeps it, 0 deletes it.")
    tp = NumberField(required=False, label="Take profit", help_text="Empty keeps it, 0 deletes it.")

    def __init__(self, *args: Any, has_limit: bool, **kwargs: Any) -> None:
        """Leave out the limit price where the order has none."""
        super().__init__(*args, **kwargs)
        if not has_limit:
            del self.fields["limit_price"]

    def clean(self) -> dict[str, Any]:
        """Ask for at least one of them."""
        given = super().clean() or {}
        if not self.errors and not any(value for name, value in given.items() if name != "seen"):
            raise forms.ValidationError("Give at least one new value.")
        return {**given, "seen": self.seen_of(given)}


class CancelSmartForm(forms.Form):
    """Ending plans by hand."""

    close = SwitchField(label="Close its position at the market", help_text="Else the position stays open.")
    comment = TextField(required=False)


class CancelSeenSmartForm(CancelSmartForm):
    """Ending one plan as it was seen: one that has changed since is not ended."""

    version = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)


class DealersPriceForm(forms.Form):
    """A dealer's answer that may hold a price."""

    def __init__(self, *args: Any, bound: str = "", **kwargs: Any) -> None:
        """Say how far from the market a price may be."""
        super().__init__(*args, **kwargs)
        if bound:
            self.fields["price"].help_text += f" {bound}"


class ConfirmRequestForm(DealersPriceForm):
    """A dealer's yes."""

    price = NumberField(required=False, help_text="Empty: the market, or a limit's own price.")


class RequoteForm(DealersPriceForm):
    """A dealer's other price."""

    price = NumberField(help_text="At this price the client may accept, for as long as the group says.")


class OptionsForm(forms.Form):
    """New options of a plugin, as JSON."""

    plugin = WordField([])
    options = forms.JSONField(
        widget=UnfoldAdminTextareaWidget({"rows": 8, "spellcheck": "false"}),
        help_text="All options, as JSON: they replace those that hold now. docs/hooks.md says what a plugin takes.",
    )

    def __init__(self, *args: Any, plugins: list[str], **kwargs: Any) -> None:
        """Offer these plugins."""
        super().__init__(*args, **kwargs)
        self.fields["plugin"].offer([(name, name) for name in plugins])  # type: ignore[attr-defined]

    def clean_options(self) -> dict[str, Any]:
        """Ask for an object."""
        options = self.cleaned_data["options"]
        if not isinstance(options, dict):
            raise forms.ValidationError('Write an object such as {"ticks": 3}.')
        return options
