"""A dealer of one group, and accounts on the brink of a stop-out: `python -m tests.browser.seed_dealer`.

Both groups are `manual_unless_no_dealers`; the dealer sees the first. One lot of each account is open at 1.10010.
"""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - after the applications are loaded
from django.contrib.auth.models import Permission  # noqa: E402

from accounts.models import ManagerScope  # noqa: E402
from accounts.setup import put_accounts, put_groups  # noqa: E402
from dealing import services  # noqa: E402
from engine.enums import By  # noqa: E402
from tests.browser.words import PASSWORD  # noqa: E402

DEALER = "dora"
SERVED, OTHER = 2001, 2002


def main() -> None:
    """Write the rows and open the positions."""
    mode = {"execution": "manual_unless_no_dealers", "leverage": 500, "timeout": 600}
    put_groups([{"name": "served", **mode}, {"name": "other", **mode}])
    put_accounts([{"login": SERVED, "group": "served"}, {"login": OTHER, "group": "other"}])
    user = get_user_model().objects.create_user(DEALER, password=PASSWORD, is_staff=True)
    words = ("view_dealerrequest", "change_dealerrequest")
    user.user_permissions.add(*Permission.objects.filter(codename__in=words))
    ManagerScope.objects.create(user=user, group_masks="serv*")
    for group in ("served", "other"):
        services.reload_settings("group", group)
    for login in (SERVED, OTHER):
        services.reload_settings("account", str(login))
        for outcome in (
            services.balance_operation(login, "deposit", "300"),
            services.place_order(
                login, symbol="EURUSD", type="buy", volume="1", caller=services.Caller(by=By.MANAGER)
            ),
        ):
            if outcome.state != "done":
                raise SystemExit(f"{login}: {outcome.code} {outcome.message}")


if __name__ == "__main__":
    main()
