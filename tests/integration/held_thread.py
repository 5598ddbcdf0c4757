"""A thread that gets no CPU until it is let go, as a debugger stops one: the others of its process go on.

Of Python's own modules alone: programs that tests start use it, too.
"""

import ctypes
import os

_SEIZE, _INTERRUPT, _DETACH, _ALL = 0x4206, 0x4207, 17, 0x40000000  # PTRACE_..., __WALL
FORBIDDEN = "ptrace is forbidden here"


class HeldThread:
    """Errors: PermissionError, where that is forbidden."""

    def __init__(self, tid):
        self._tid = tid
        self._ptrace(_SEIZE)
        self._ptrace(_INTERRUPT)
        os.waitpid(tid, _ALL)

    def _ptrace(self, request):
        ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if ptrace(request, self._tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def let_go(self):
        self._ptrace(_DETACH)


def take_ends(which=-1):
    """Who holds a thread is told of its end before its parent is. Returns whether there is one still, of `which` (-1: all)."""
    try:
        os.waitpid(which, os.WNOHANG | _ALL)
    except ChildProcessError:
        return False
    return True
