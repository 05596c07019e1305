"""Changing one's own password, for the forms of all faces: the old one is checked under the limits of every door."""

from typing import Any

from django.core.exceptions import ValidationError

from credentials import checks
from credentials.address import caller_address


class LimitedOldPassword:
    """A mixin of Django's PasswordChangeForm, which is told where the caller is."""

    user: Any
    cleaned_data: dict[str, Any]
    error_messages: dict[str, Any]

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.address = address

    def clean_old_password(self) -> str:
        """Return the old password where it is right.

        Raises:
            ValidationError: it is wrong.
            TooManyAttempts: too many were wrong before.
        """
        old = str(self.cleaned_data["old_password"])
        if not checks.confirm(self.user, old, address=self.address):
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old


class TellsAddress:
    """A mixin of Django's PasswordChangeView: its form learns where the caller is."""

    request: Any

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return what the form is made with."""
        given: dict[str, Any] = super().get_form_kwargs()  # type: ignore[misc]
        return {**given, "address": caller_address(self.request)}
