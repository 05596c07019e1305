"""How Django asks who somebody is: by `credentials.checks`, whatever page or view it is that asks."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from credentials import checks
from credentials.address import UNKNOWN, caller_address


class PasswordBackend(ModelBackend):
    """Name and password, limited; rights are Django's."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **given: Any,
    ) -> Any:
        """Return the user, None where name or password are wrong.

        Raises:
            TooManyAttempts: too many failed before.
        """
        name = username if username is not None else given.get(get_user_model().USERNAME_FIELD)
        if name is None or password is None:
            return None
        has_address = request is not None and (hasattr(request, "scope") or request.META)
        return checks.check(name, password, address=caller_address(request) if has_address else UNKNOWN)

    def get_user(self, user_id: Any) -> Any:
        """Return the active user with the epoch that their sessions must be of, None where there is none."""
        users = get_user_model()._default_manager.select_related("credential")
        user = users.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
