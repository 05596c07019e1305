"""Forms of getting in: Django's own, with what browsers and screen readers want to know."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from credentials.forms import LimitedOldPassword


def _describe_errors(form: Any) -> None:
    """Tie each field to its error text, so that a screen reader says it with the field."""
    for name in form.errors:
        if name in form.fields:
            attrs = form.fields[name].widget.attrs
            attrs["aria-invalid"] = "true"
            attrs["aria-describedby"] = f"error-{name}"


class ClientLoginForm(AuthenticationForm):
    """Name and password; wrong ones are told apart from nobody."""

    error_messages = {
        "invalid_login": "Name or password is wrong.",
        "inactive": "Name or password is wrong.",
    }

    def full_clean(self) -> None:
        """Check, and tie errors to their fields."""
        super().full_clean()
        _describe_errors(self)


class ClientPasswordForm(LimitedOldPassword, PasswordChangeForm):
    """Old password and the new one twice."""

    def full_clean(self) -> None:
        """Check, and tie errors to their fields."""
        super().full_clean()
        _describe_errors(self)
