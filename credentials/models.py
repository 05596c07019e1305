"""Rows of credentials: epochs of users, refresh tokens and their families, known addresses, endings.

A user's epochs rise when their credentials end; whatever carries an older one is worth nothing. A trigger on the users'
table raises them when a password or `is_active` changes, whoever writes it: a page, a shell, an UPDATE of many rows, psql.
Promises: a refresh token stands here as its hash, so that who reads the table can use none.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Credential(models.Model):
    """How often a user's credentials have ended; without a row: never."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="credential"
    )
    epoch = models.PositiveIntegerField(db_default=0)
    #: Of sessions: a changed password ends those by Django's own hash, which lets the one go on that changed it.
    session_epoch = models.PositiveIntegerField(db_default=0)


class TokenFamily(models.Model):
    """One login of a program: the pair of tokens that it was given, and all that were exchanged for them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="token_families")
    epoch = models.PositiveIntegerField()
    made_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)


class RefreshToken(models.Model):
    """A refresh token, by its SHA-256; used once."""

    family = models.ForeignKey(TokenFamily, models.CASCADE, related_name="tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(db_index=True)


class KnownAddress(models.Model):
    """An address (IPv6: its network) from which a user has logged in."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="known_addresses")
    address = models.CharField(max_length=64)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "address"), name="credentials_known_once"),)


class Ending(models.Model):
    """That something of a user's ended, and why; open sockets are judged anew when one appears."""

    class Why(models.TextChoices):
        """What ended it."""

        PASSWORD = "password", "Password changed"
        ACTIVE = "active", "Made active or inactive"
        LOGOUT = "logout", "Logged out everywhere"
        ONE = "one", "Logged out once"
        REUSE = "reuse", "A used refresh token came again"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    why = models.CharField(max_length=10, choices=Why)
    at = models.DateTimeField(db_default=Now(), db_index=True)
