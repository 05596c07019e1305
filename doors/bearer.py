"""Access tokens in the header `Authorization: Bearer ...`; the word of the scheme has no case (RFC 9110)."""

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

SCHEME = b"Bearer "


class Bearer(JWTAuthentication):
    """The token library's check, for a scheme in any case."""

    def get_header(self, request: Request) -> bytes:
        """Return the header as the library wants it written."""
        header: bytes = super().get_header(request)
        if header is not None and header[: len(SCHEME)].lower() == SCHEME.lower():
            return SCHEME + header[len(SCHEME) :]
        return header


class BearerScheme(SimpleJWTScheme):
    """What the OpenAPI document says of it; found by drf-spectacular when this module is loaded."""

    target_class = "doors.bearer.Bearer"
    name = "jwtAuth"
