"""Access tokens in the header `Authorization: Bearer ...`; the word of the scheme has no case (RFC 9110).

Promises: a token counts only while its login has not ended, judged from the rows at every request.
"""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from credentials.tokens import family_of_access

SCHEME = b"Bearer "


class Bearer(JWTAuthentication):
    """The token library's check of the signature, and our own of everything else."""

    def get_header(self, request: Request) -> bytes:
        """Return the header as the library wants it written."""
        header: bytes = super().get_header(request)
        if header is not None and header[: len(SCHEME)].lower() == SCHEME.lower():
            return SCHEME + header[len(SCHEME) :]
        return header

    def get_user(self, validated_token: Any) -> Any:
        """Return whose token it is.

        Raises:
            Ended: its login has ended.
        """
        return family_of_access(validated_token).user


class BearerScheme(SimpleJWTScheme):
    """What the OpenAPI document says of it; found by drf-spectacular when this module is loaded."""

    target_class = "credentials.bearer.Bearer"
    name = "jwtAuth"
