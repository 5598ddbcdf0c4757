"""The trace's disk, or /dev/shm, fills while a program is recorded: the program makes what it always makes, and the
recording says what it lacks."""

import re
import subprocess

from kit import DEADLINE, program
from record import check, mount_namespace, record, small_shm

SPIN = str(program("spin_transitions"))


def test_a_dev_shm_that_fills_during_the_run_costs_no_event(tmp_path):
    script = "\n".join([
        f"{SPIN} 0 --gently --announce {tmp_path}/go & spin=$!",
        f"until [ -e {tmp_path}/go ]; do sleep 0.02; done",
        "head -c 100M /dev/zero > /dev/shm/fill 2>/dev/null || true",
        "sleep 1; kill -TERM $spin; wait $spin",
    ])
    done = record(tmp_path / "run", "--", "sh", "-c", script, prefix=small_shm("64M"))
    assert done.file["command_status"] == 0
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0)
    # of this program nothing is missing, but one that had started then would be, and nobody would count it
    assert done.code == 3 and done.file["shm_was_full"] is True


def test_a_trace_on_a_full_disk_is_a_part_that_says_so_or_nothing(tmp_path):
    """Whatever of it can be read is told as such, and nothing hangs on the rest."""
    small = tmp_path / "small"
    small.mkdir()
    script = f"mount -t tmpfs -o size=6M tmpfs {small}"
    inside = f"""
        {program('paltrace')} record -o {small}/run --buffers 64kx16 -- {SPIN} 400000
        echo "record $?"
        {program('paltrace')} convert {small}/run -o {tmp_path}/run.pal
        echo "convert $?"
    """
    done = subprocess.run(
        [*mount_namespace(script), "sh", "-c", inside], text=True, capture_output=True, timeout=2 * DEADLINE, check=False
    )
    assert int(re.search(r"^transitions (\d+)$", done.stdout, re.M)[1]) > 400_000, "the program itself is unharmed"
    assert "record 3\n" in done.stdout and "its disk is full" in done.stderr, done
    converted = int(re.search(r"^convert (\d)$", done.stdout, re.M)[1])
    assert converted in (1, 4), done
    if (tmp_path / "run.pal").exists():
        judged = check(tmp_path / "run.pal")
        assert judged.returncode in (1, 4), judged
