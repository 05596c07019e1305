"""Logging in by name and password for programs: a short token and a refresh token that is used once."""

from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from doors.rates import LoginRate


class Token(TokenObtainPairView):
    """Exchange name and password for an access token (10 min) and a refresh token."""

    throttle_classes = [LoginRate]


class Refresh(TokenRefreshView):
    """Exchange a refresh token, once, for a new pair."""

    throttle_classes = [LoginRate]
