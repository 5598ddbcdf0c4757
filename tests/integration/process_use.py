"""What a process uses, and how much of it is too much for what is only read: bounds far above what a good input takes."""

import os
import signal
import subprocess
import threading

from kit import DEADLINE

MOST_CPU = 5  # seconds; what hangs turns round and round
MOST_MEMORY = 512 << 10  # KiB; a good trace of this size takes 20 MiB


def ran(command, directory):
    """(exit status, stderr, CPU seconds, KiB at the most), of the process and of those that it waited for."""
    with open(directory / "said", "w+b") as said:
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=said)
        guard = threading.Timer(DEADLINE, os.kill, (process.pid, signal.SIGKILL))
        guard.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    return process.returncode, text, used.ru_utime + used.ru_stime, used.ru_maxrss
