"""Numbers as people type them: one parser for every number field of the admin and for files.

The point is decimal, and nothing else stands between digits: `1,000` is one thousand to some and one to others, so that
neither is guessed. tests/number_cases.json holds what is taken and what is refused; the terminal's parser is held to
the same table. Promises: what comes back is plain decimal text of ASCII digits; nothing is rounded. Whether a number
is good is for the engine to say.
"""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from unfold.widgets import UnfoldAdminTextInputWidget

_NUMBER = re.compile(r"(?P<sign>[-+]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?")
_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
#: What somebody somewhere writes between thousands or before decimals.
_SEPARATORS = r",.'’‘`´_\s·;:/٫٬،，．。﹐﹒､、⎖"
_SEPARATED = re.compile(rf"[-+]?(?!\s)(?=[^0-9]*[0-9])[0-9{_SEPARATORS}]+")
MAX_CHARACTERS = 60


class NotANumber(ValueError):
    """What was typed is not taken: `kind` is separator, exponent or number, the text a sentence."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def number_text(text: str) -> str:
    """Return the number that was typed as plain decimal text: no plus, no zeros before it, "-0" as "0".

    Raises:
        NotANumber: it is none, is in exponent form, or has something else than a point between its digits.
    """
    bare = text.strip()
    shown = ascii(bare)[1:-1] if not bare.isprintable() else bare
    shown = f"{shown[:MAX_CHARACTERS]}…" if len(shown) > MAX_CHARACTERS else shown
    found = _NUMBER.fullmatch(bare)
    if found and (found["whole"] or found["part"]):
        whole = found["whole"].lstrip("0") or "0"
        number = f"{whole}.{found['part']}" if found["part"] else whole
        return f"-{number}" if found["sign"] == "-" and number.strip("0.") else number
    if _EXPONENT.fullmatch(bare):
        raise NotANumber(
            "exponent", f"{shown} is in exponent form: write the number out, such as 1000 or 0.001."
        )
    if _SEPARATED.fullmatch(bare):
        raise NotANumber(
            "separator",
            f"{shown} can be read in two ways: write a point before decimals and nothing between thousands, "
            "such as 1250.5 or 0.25.",
        )
    raise NotANumber("number", f"{shown} is no number: write one such as 1250 or 0.25.")


def cleaned(value: Any) -> Any:
    """Return a form's value with its text judged; what is no text or is empty is left as it is.

    Raises:
        ValidationError: it is not taken; the message is a sentence.
    """
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return number_text(value)
    except NotANumber as error:
        raise ValidationError(str(error), code=error.kind) from None


def typed() -> UnfoldAdminTextInputWidget:
    """Return the box of a number: one of text, since a browser's own number box drops a comma before anybody can judge it."""
    return UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"})


class StrictDecimalField(forms.DecimalField):
    """A decimal of a settings form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "widget": typed()})

    def to_python(self, value: Any) -> Any:
        """Return the number.

        Raises:
            ValidationError: see `number_text`.
        """
        return super().to_python(cleaned(value))


class StrictIntegerField(forms.IntegerField):
    """A whole number of a settings form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "widget": typed()})

    def to_python(self, value: Any) -> int | None:
        """Return the number.

        Raises:
            ValidationError: see `number_text`, or it has decimals.
        """
        return super().to_python(cleaned(value))


def strict(db_field: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a column's form field, so that a number is read by this parser."""
    if isinstance(db_field, models.DecimalField):
        return {"form_class": StrictDecimalField, **given}
    if isinstance(db_field, models.IntegerField) and not db_field.choices:
        return {"form_class": StrictIntegerField, **given}
    return given
