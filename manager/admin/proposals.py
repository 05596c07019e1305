"""A proposed change of a record: signed facts that go from page to page until they are saved, or found stale.

A proposal holds only what its author changed, and of each setting what they saw. Saving it never touches another
setting. Where one stands otherwise by now nothing is saved, and the page shows field, yours, theirs and seen.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import Model

from dealing.models import SettingsChange
from manager.snapshots import LABELS, snapshot

SALT = "manager.proposal"
MAX_AGE_S = 24 * 3600


@dataclass(slots=True)
class Proposal:
    """What somebody wants of a record: values and what they saw, by key; figures of what would follow."""

    kind: str
    key: str
    values: dict[str, Any]
    seen: dict[str, Any]
    figures: dict[str, Any] | None = None
    client_key: str = ""
    about: str = ""

    def signed(self) -> str:
        """Return it as text that a page can carry and not change."""
        return signing.dumps(asdict(self), salt=SALT, compress=True)

    @classmethod
    def read(cls, text: str) -> "Proposal | None":
        """Return what was signed; None where it is too old, or not ours."""
        try:
            return cls(**signing.loads(text, salt=SALT, max_age=MAX_AGE_S))
        except (signing.BadSignature, TypeError):
            return None

    def part(self, *, of_desk: bool) -> "tuple[dict[str, Any], dict[str, Any]]":
        """Return values and seen of the settings that the desk goes by, or of the others."""
        labels = LABELS.get(self.kind)
        keys = [key for key in self.values if labels is not None and (key not in labels) is of_desk]
        return {k: self.values[k] for k in keys}, {k: self.seen.get(k) for k in keys}


@dataclass(slots=True, frozen=True)
class Clash:
    """A setting that stands otherwise than its author saw."""

    key: str
    yours: Any
    theirs: Any
    seen: Any


@dataclass(slots=True)
class Stale(Exception):
    """Somebody else changed what was to be changed."""

    clashes: list[Clash] = field(default_factory=list)


def changed(now: dict[str, Any], seen: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return what an editor changed: of these keys those that are otherwise than they saw."""
    return {key: now.get(key) for key in {**seen, **now} if key in keys and now.get(key) != seen.get(key)}


def clashes(proposal: Proposal, row: Model) -> list[Clash]:
    """Return the settings of a proposal that stand otherwise by now, and not as proposed."""
    now = snapshot(row)
    return [
        Clash(key, value, now.get(key), proposal.seen.get(key))
        for key, value in proposal.values.items()
        if now.get(key) not in (proposal.seen.get(key), value)
    ]


def write_labels(row: Model, proposal: Proposal, actor: str) -> None:
    """Write the settings that mean nothing to the desk, with their history, if they stand as they were seen.

    Raises:
        Stale: one of them does not; nothing is written.
    """
    values, seen = proposal.part(of_desk=False)
    if not values:
        return
    with transaction.atomic():
        locked = type(row)._default_manager.select_for_update(of=("self",)).get(pk=row.pk)
        found = clashes(Proposal(proposal.kind, proposal.key, values, seen), locked)
        if found:
            raise Stale(found)
        columns = {locked._meta.get_field(key).attname: value for key, value in values.items()}  # type: ignore[union-attr]
        type(row)._default_manager.filter(pk=row.pk).update(**columns)
        note(proposal.kind, proposal.key, seen, values, actor)


def note(kind: str, key: str, before: dict[str, Any], after: dict[str, Any], actor: str) -> None:
    """Write a line of a record's history."""
    SettingsChange.objects.create(kind=kind, key=key, before=before, after=after, actor=actor)
