"""Named places at which a test lets the desk die, to prove that dying there loses nothing.

`DESK_FAILPOINT=name[:count]` in the environment kills this process with SIGKILL at the count-th passing of that
name. Without the variable a failpoint is one comparison; nothing else turns it on.
"""

import os
import signal

NAMES = (
    "after_lease",
    "after_load",
    "in_recovery",
    "before_fence",
    "after_fence",
    "after_orders",
    "after_deals",
    "after_ledger",
    "before_commit",
    "after_commit",
    "after_publish",
)
_armed, _, _count = os.environ.get("DESK_FAILPOINT", "").partition(":")
_left = {_armed: int(_count or 1)} if _armed else {}


def failpoint(name: str) -> None:
    """Die here if this is the place and the passing that was asked for."""
    if name not in _left:
        return
    _left[name] -= 1
    if _left[name] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
