"""Logging in by name and password for programs: a short token and a refresh token that is used once; logging out."""

from typing import Any

from django.contrib.auth import authenticate, logout
from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import Flag, StrictSerializer
from api.http.rates import LoginRate
from credentials import tokens
from credentials.epochs import end_everything, end_family
from live.schema import thing

PAIR = thing(access="text", refresh="text")
ENDED = thing(ended="text")
MAX_NAME_CHARACTERS = 150
MAX_PASSWORD_CHARACTERS = 4096


class LoginBody(StrictSerializer):
    """Who one is."""

    username = serializers.CharField(max_length=MAX_NAME_CHARACTERS)
    password = serializers.CharField(max_length=MAX_PASSWORD_CHARACTERS, trim_whitespace=False)


class RefreshBody(StrictSerializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=2000)


class LogoutBody(StrictSerializer):
    """How much is to end, and whose, where no access token says it."""

    everywhere = Flag(default=True)
    refresh = serializers.CharField(max_length=2000, required=False)


class _OfNobody(APIView):
    """A door that is open to who is not logged in, and says how one would be."""

    authentication_classes: Any = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        """Return what a 401 names as the way in."""
        return 'Bearer realm="api"'


class Token(_OfNobody):
    """Log in."""

    @extend_schema(request=LoginBody, responses={200: PAIR}, auth=[], operation_id="auth_token_create")
    def post(self, request: Request) -> Response:
        """Exchange name and password for an access token (10 min) and a refresh token."""
        body = LoginBody(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = authenticate(request._request, **body.validated_data)
        if user is None:
            raise AuthenticationFailed("No active account found with the given credentials")
        pair = tokens.begin(user)
        update_last_login(None, user)  # type: ignore[arg-type]
        return Response({"access": pair.access, "refresh": pair.refresh})


class Refresh(_OfNobody):
    """Stay logged in."""

    throttle_classes = (LoginRate,)

    @extend_schema(request=RefreshBody, responses={200: PAIR}, auth=[], operation_id="auth_refresh_create")
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair."""
        body = RefreshBody(data=request.data)
        body.is_valid(raise_exception=True)
        pair = tokens.exchange(body.validated_data["refresh"])
        return Response({"access": pair.access, "refresh": pair.refresh})


class Logout(APIView):
    """Log out."""

    permission_classes = (AllowAny,)
    throttle_classes = (LoginRate,)

    @extend_schema(request=LogoutBody, responses={200: ENDED}, operation_id="auth_logout_create")
    def post(self, request: Request) -> Response:
        """End all tokens, sessions, sockets and tickets of the user; with `everywhere` false this login's alone.

        Who has no access token any more names the login by its refresh token.
        """
        body = LogoutBody(data=request.data)
        body.is_valid(raise_exception=True)
        family = None
        if "refresh" in body.validated_data:
            family = tokens.family_of(body.validated_data["refresh"])
            if request.user.is_authenticated and request.user.pk != family.user_id:
                raise tokens.Ended
        elif request.auth is not None:
            family = tokens.family_of_access(request.auth)
        elif not request.user.is_authenticated:
            raise NotAuthenticated
        everywhere = body.validated_data["everywhere"]
        if everywhere:
            user: Any = family.user if family is not None else request.user
            end_everything(user.pk)
        elif family is not None:
            end_family(family.pk)
        else:
            logout(request._request)
        return Response({"ended": "everything" if everywhere else "this login"})
