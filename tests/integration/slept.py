"""How long threads slept: neither ran, nor waited for a CPU. A worker that spins sleeps in LTTng's calls alone, so that a busy
machine adds nothing to it."""

import contextlib
import pathlib
import time

AT_ONCE = 0.01  # s, for a look: more, and the test itself had no CPU meanwhile


def _look(thread):
    """(now, how long it was on a CPU, how long it waited for one), s; and whether it wants one."""
    for _ in range(100):
        before = time.monotonic()
        ran, waited, _ = map(int, (thread / "schedstat").read_text().split())
        now = time.monotonic()
        if now - before < AT_ONCE:
            break
    state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
    return now, ran / 1e9, waited / 1e9, state == "R"


def awake(thread):
    """(now, how long it was on a CPU or waited for one), s.

    The kernel tells of a wait for a CPU when it is over: of a thread that wants one it is told when it is seen to run."""
    now, ran, waited, wants = _look(thread)
    for _ in range(2000):
        if not wants:
            break
        last = ran
        time.sleep(0.001)
        now, ran, waited, wants = _look(thread)
        if ran > last:
            break
    return now, ran + waited


class Slept:
    """How long each worker's thread has slept since this was made, s."""

    def __init__(self, pid):
        threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
        self._threads = [thread for thread in threads if not (thread / "comm").read_text().strip().endswith("-ust")]
        self._begin = [awake(thread) for thread in self._threads]
        self.tids = [int(thread.name) for thread in self._threads]

    def __call__(self):
        ends = [awake(thread) for thread in self._threads]
        return [(end[0] - begin[0]) - (end[1] - begin[1]) for begin, end in zip(self._begin, ends)]

    def said(self):
        """As __call__, and printed."""
        seconds = self()
        print("asleep: " + ", ".join(f"{each:.2f} s" for each in seconds))
        return seconds


class SleptUntilItsEnd:
    """How long a thread has slept, as far as that was seen, s."""

    def __init__(self, thread):
        self._thread = thread
        self._begin = awake(thread)
        self.seconds = 0.0

    def look(self):
        with contextlib.suppress(OSError, ValueError):
            now = awake(self._thread)
            self.seconds = (now[0] - self._begin[0]) - (now[1] - self._begin[1])
