"""paltrace record --crash-safe: what its buffers give when everything was killed."""

import re

import pytest
from kit import need_program, poll
from recording import (
    Running,
    check,
    count_in,
    entries,
    in_shell,
    kill_at_once,
    lttng_is_installed,
    record,
    rescue_line,
    spin,
    transitions_of,
)

pytestmark = pytest.mark.usefixtures("lttng_is_installed")


def test_crash_safe_buffers_can_be_read_after_everything_was_killed(tmp_path, spin):
    need_program("lttng-crash")
    # A consumer daemon that is killed while it writes leaves half a packet, which is named; one that sees COMMAND die before
    # itself may have begun to give its buffers up: a tail is missing. Both are seldom, and the page says so.
    tries = [kill_all_and_recover(tmp_path / str(attempt), spin) for attempt in range(5)]
    whole = 0
    for made, recovered, done, judged in tries:
        half_a_packet = re.search(r"packet \d+ at byte \d+:? (?:it )?is cut", done.stderr)
        assert done.returncode in (0, 4) or (done.returncode == 1 and half_a_packet), done
        # the last one may lie between its hook and the counter
        assert recovered <= made + 1, "nothing is told twice"
        assert recovered >= made or half_a_packet or re.search(r"lost: (at least )?0 transitions", judged.stdout), (made, recovered, done, judged)
        whole += recovered >= made
    print(f"{whole} of {len(tries)} whole")
    assert whole >= 4, [(made, recovered) for made, recovered, *_ in tries]


def kill_all_and_recover(directory, spin):
    """Transitions that were made, how many of them the two commands of the page read, what these said, and what check says."""
    directory.mkdir()
    counter, announce, run = directory / "counter", directory / "go", directory / "run"
    command = [spin, "0", "--counter", counter, "--announce", announce]
    # --lossless: on a slow machine a consumer that lags would cost events that nobody counts, of the last moments
    with Running(run, "--crash-safe", "--lossless", "--", *command, ready=announce) as running:
        # part of it written out, part of it in the buffers
        poll(lambda: any(file.stat().st_size > 4096 for file in run.glob("trace/**/transitions_*")), "a sub-buffer")
        # who has a keeper that dies, and stands still, goes on for a moment: the kernel wakes an orphaned process group
        kill_at_once(running.child("spin_transitions"), running.child("lttng-consumerd"), running.process.pid, *running.started)
        line = rescue_line(running.wait().err)
        running.nothing_is_left()
    made = count_in(counter)
    assert run.joinpath("shm").stat().st_mode & 0o777 == 0o700
    done = in_shell(line)
    log = run / "recovered.pal"
    return made, transitions_of(log), done, check(log)


def test_crash_safe_says_how_to_recover_and_ends_in_good_order(tmp_path, spin):
    done = record(tmp_path / "run", "--crash-safe", "--", spin, "10000").expect(0)
    assert rescue_line(done.err).startswith(f"lttng-crash --extract={tmp_path}/run/recovered {tmp_path}/run/shm")
    assert done.file["transitions"] == done.transitions()
    assert set(entries(tmp_path / "run")) == {"record.json", "trace"}, "nothing is left to recover"
