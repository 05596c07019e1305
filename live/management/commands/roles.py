"""`manage.py roles [--restore NAME...|all]`: the roles of staff, and putting them back as they come."""

from typing import Any

from django.contrib.auth.models import Group as Role
from django.core.management.base import BaseCommand, CommandError, CommandParser

from live.roles import ROLES, put_roles


class Command(BaseCommand):
    """Make missing roles and print what each may do."""

    help = "Make the roles of staff that are missing, and print the rights of each."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the names of roles to put back."""
        parser.add_argument(
            "--restore", nargs="+", default=[], metavar="NAME", help="roles whose rights are put back, or all"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write and print the roles."""
        asked = list(ROLES) if options["restore"] == ["all"] else options["restore"]
        unknown = [name for name in asked if name not in ROLES]
        if unknown:
            raise CommandError(f"there is no role {', '.join(unknown)}; there are: {', '.join(ROLES)}")
        written = put_roles(asked)
        for role in Role.objects.filter(name__in=ROLES).order_by("name"):
            pairs = role.permissions.values_list("content_type__app_label", "codename")
            held = {f"{app}.{codename}" for app, codename in pairs}
            mark = (
                "written"
                if role.name in written
                else "as it comes"
                if held == set(ROLES[role.name])
                else "changed here"
            )
            self.stdout.write(f"{role.name} ({mark})")
            for right in sorted(held):
                self.stdout.write(f"    {right}")
