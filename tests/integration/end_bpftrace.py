"""How bpftrace is ended, here and in the benchmarks; why so: docs/bpftrace.md, "It does not end at Ctrl-C"."""

import signal
import subprocess


def end_bpftrace(process, deadline):
    """Asks it to end by SIGINT, and sees to it that it hears that; kills it after `deadline` seconds.

    bpftrace 0.17 only notes a SIGINT, and looks at the note when its wait for events is interrupted or brings something to
    print. One that comes beside that wait, while it attaches or prints, is noted and not looked at. A second SIGINT would
    interrupt the wait, but ends a bpftrace that prints its maps already; to be stopped and to go on interrupts it too, and
    does nothing else.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        for _ in range(deadline):
            try:
                return process.wait(1)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGSTOP)
                process.send_signal(signal.SIGCONT)
        process.kill()
    return process.wait()
