"""Forms of the admin's actions. Numbers stay decimal text; whether they are good is for the engine to say."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from engine.enums import OPERATION_KINDS, HaltLevel, HaltScope, LedgerKind, OrderType


class NumberField(forms.CharField):
    """A number kept as the text that was typed; a comma is taken for a point."""

    def __init__(self, **kwargs: Any) -> None:
        """Take a field's usual arguments."""
        kwargs.setdefault("max_length", 40)
        kwargs["widget"] = UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        """Return the text, or None where the field was left empty."""
        text = super().clean(value).strip().replace(",", ".")
        return text or None


class TextField(forms.CharField):
    """A line of text in the admin's dress."""

    def __init__(self, **kwargs: Any) -> None:
        """Take a field's usual arguments."""
        kwargs.setdefault("max_length", 200)
        kwargs["widget"] = UnfoldAdminTextInputWidget()
        super().__init__(**kwargs)


class WordField(forms.ChoiceField):
    """One word of a closed set."""

    def __init__(self, words: Any, **kwargs: Any) -> None:
        """Take the words, an enum's members or pairs."""
        pairs = [w if isinstance(w, tuple) else (w.value, w.value.replace("_", " ")) for w in words]
        super().__init__(choices=pairs, widget=UnfoldAdminSelectWidget(), **kwargs)


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


class MoneyForm(forms.Form):
    """A balance operation."""

    kind = WordField([kind for kind in LedgerKind if kind in OPERATION_KINDS], label="Operation")
    amount = NumberField(
        help_text="In the account's currency; positive, except a correction, which carries its sign."
    )
    comment = TextField(required=False)
    override = SwitchField(
        label="Override", help_text="Take money even if balance or free margin falls below 0."
    )


class HaltForm(forms.Form):
    """How far a kill switch is turned."""

    level = WordField(HaltLevel, help_text="Each level forbids what the one before forbids, and more.")


class HaltAnyForm(HaltForm):
    """A kill switch of any scope."""

    scope = WordField(HaltScope)
    key = TextField(required=False, help_text="Empty for the server; else a group, a symbol, or a login.")
    field_order = ("scope", "key", "level")


class OrderForm(forms.Form):
    """An order that a manager places for an account."""

    symbol = WordField([])
    type = WordField(OrderType)
    volume = NumberField(help_text="Lots.")
    price = NumberField(required=False, help_text="Pending orders.")
    limit_price = NumberField(required=False, help_text="Stop-limit orders.")
    sl = NumberField(required=False, label="Stop loss")
    tp = NumberField(required=False, label="Take profit")
    open_price = NumberField(required=False, help_text="Market orders: another price than the market's.")
    comment = TextField(required=False)
    skip_margin = SwitchField(label="Leave out the margin check")

    def __init__(self, *args: Any, symbols: list[str], **kwargs: Any) -> None:
        """Offer these symbols."""
        super().__init__(*args, **kwargs)
        self.fields["symbol"].choices = [(name, name) for name in symbols]  # type: ignore[attr-defined]


class CloseForm(forms.Form):
    """Closing a position or part of it."""

    volume = NumberField(required=False, help_text="Lots; empty closes all of it.")
    price = NumberField(required=False, help_text="Empty: the market.")
    comment = TextField(required=False)


class StopsForm(forms.Form):
    """Stop loss and take profit of a position."""

    sl = NumberField(required=False, label="Stop loss", help_text="Empty keeps it, 0 deletes it.")
    tp = NumberField(required=False, label="Take profit", help_text="Empty keeps it, 0 deletes it.")


class CancelSmartForm(forms.Form):
    """Ending a plan by hand."""

    close = SwitchField(label="Close its position at the market", help_text="Else the position stays open.")
    comment = TextField(required=False)


class ConfirmRequestForm(forms.Form):
    """A dealer's yes."""

    price = NumberField(required=False, help_text="Empty: the market, or a limit's own price.")


class RequoteForm(forms.Form):
    """A dealer's other price."""

    price = NumberField()
