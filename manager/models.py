"""Rights of staff that belong to no single kind of row. No table stands behind them."""

from django.db import models


class Right(models.Model):
    """Carries what a member of staff may do for clients; Django's own rights say what they may look at."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("move_money", "Can deposit, withdraw, give credit, charge and correct"),
            ("place_orders", "Can place orders for clients"),
            ("override_terms", "Can set another price or time, and leave out checks of money and margin"),
            ("turn_switches", "Can turn the kill switches of accounts and groups"),
            ("set_owner", "Can say whose an account is"),
            ("set_group", "Can move an account to another group"),
            ("set_leverage", "Can set the leverage of an account"),
        )
