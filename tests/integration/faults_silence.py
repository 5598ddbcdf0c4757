"""LTTng's session daemon answers nobody, and is not stopped as a whole: that takes a minute to find out."""

import os
import pathlib
import signal
import subprocess
import sys

from faults_daemons import SPIN, written
from faults_room import HOLDER
from held_thread import FORBIDDEN
from kit import DEADLINE, lacking, poll
from recording import Running, check


def test_that_one_of_the_daemons_hangs_is_said_where_neither_is_stopped(tmp_path):
    """All threads of the session daemon but the first stand still: it answers nobody, and nobody sees why."""
    announce, run, holder, held = (tmp_path / name for name in ("go", "run", "holder", "held"))
    holder.write_text(HOLDER)
    command = [SPIN, "0", "--gently", "--announce", announce]
    with Running(run, "--buffers", "1Mx4", "--", *command, ready=announce) as running:
        poll(lambda: written(run), "something is on disk")
        daemon = running.child("lttng-sessiond")
        hold = [sys.executable, holder, str(daemon), held, pathlib.Path(__file__).parent]
        with subprocess.Popen(hold, stderr=subprocess.PIPE, text=True) as holding:
            try:
                poll(lambda: held.exists() or holding.poll() is not None, "it is held")
                if not held.exists() and FORBIDDEN in holding.stderr.read():
                    lacking(FORBIDDEN)
                os.kill(running.child("spin_transitions"), signal.SIGINT)
                done = running.wait(2 * DEADLINE).expect(3)
            finally:
                holding.kill()
        running.nothing_is_left()
    assert "cannot end the recording in good order: one of LTTng's daemons hangs: what it did not write is read" in done.err
    assert (done.file["hung_daemon"], done.file["tail_unknown"]) == ("either", False)
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0), done.err
    judged = check(run)
    assert judged.returncode == 0, judged
    assert judged.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"
