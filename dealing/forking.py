"""Forks of a desk: copies of its memory in which something is asked or tried, and which cannot touch the desk.

Promises: a fork has no socket of its desk, ends when the desk ends, and does not obey what the desk is told.
"""

import ctypes
import os
import signal
import stat
import sys
from collections.abc import Collection

from dealing.failpoints import disarm

_PR_SET_PDEATHSIG = 1


def flush() -> None:
    """Write out what was printed, so that the copy does not print it again; call it before a fork."""
    sys.stdout.flush()
    sys.stderr.flush()


def leave_the_desk(parent: int) -> None:
    """Let go of the desk's sockets and of its signals in a fork, and end when the process `parent` ends."""
    disarm()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # A session's lock lives as long as anybody has its socket. The numbers stay taken, so that nothing of ours gets one
    # that an object of the desk would close.
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        except OSError:
            continue  # the one that listed them
        if descriptor > 2 and is_socket:
            os.dup2(nothing, descriptor)


def end(pids: Collection[int]) -> None:
    """End forks that are still at work."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended by itself
