"""Named places at which a test lets the desk die or stand still, to prove that nothing is lost there.

`DESK_FAILPOINT=name[:count[:how]]` in the environment ends this process with SIGKILL at the count-th passing of
that name; with `stop` as `how` it is paused with SIGSTOP instead, once, until somebody continues it. Without the
variable a failpoint is one comparison; nothing else turns it on.
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
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_armed, _count, _how = [*os.environ.get("DESK_FAILPOINT", "").split(":"), "", ""][:3]
_left = {_armed: int(_count or 1)} if _armed else {}
_signal = SIGNALS[_how or "kill"]


def failpoint(name: str) -> None:
    """Die, or stand still, here if this is the place and the passing that was asked for."""
    if name not in _left:
        return
    _left[name] -= 1
    if _left[name] == 0:
        os.kill(os.getpid(), _signal)
