"""paltrace record where /dev/shm or the disk has no room, or LTTng no time: what is missing is told."""

import os
import re
import subprocess

import pytest
from kit import program
from recording import check, lttng_is_installed, mount_namespace, read_lines, record, small_shm, spin

pytestmark = pytest.mark.usefixtures("lttng_is_installed")


@pytest.mark.parametrize("script, why", [
    ("mount -t tmpfs -o ro tmpfs /dev/shm", "/dev/shm is mounted read-only"),
    ("mount -t tmpfs -o mode=0755 tmpfs /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9", "cannot see /dev/shm"),
], ids=["read-only", "none"])
def test_without_a_dev_shm_to_write_to_it_refuses_and_says_the_mend(tmp_path, spin, script, why):
    done = record(tmp_path / "run", "--", "touch", tmp_path / "ran", prefix=mount_namespace(script)).expect(3)
    assert why in done.err and "mend: " in done.err and "mount -" in done.err
    assert not (tmp_path / "ran").exists() and not (tmp_path / "run").exists()


def test_buffers_shrink_to_the_room_in_shm_and_it_says_so(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "1000", prefix=small_shm("16M")).expect(0)
    assert "/dev/shm" in done.err and "room for" in done.err
    assert done.file["buffers"]["process_bytes"] <= 8 << 20
    assert done.file["transitions"] == done.transitions()


def test_buffers_that_were_asked_for_and_do_not_fit_are_refused(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "4Mx8", "--", spin, "1000", prefix=small_shm("4M")).expect(3)
    told = re.search(r"4Mx8 take (\d+) MiB a process .*/dev/shm has room for (\d+) KiB;", done.err)
    # LTTng has one sub-buffer more than were asked for
    assert told and int(told[1]) >= 9 * 4 * CPUS and 1024 <= int(told[2]) <= 4096, done.err
    assert not (tmp_path / "run").exists()


def test_a_shm_with_no_room_at_all_is_refused(tmp_path, spin):
    done = record(tmp_path / "run", "--", spin, "1000", prefix=small_shm("256k")).expect(3)
    assert "/dev/shm" in done.err
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_an_error_that_names_the_directory(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=1M tmpfs {small}")
    done = record(small / "run", "--", spin, "200000", prefix=prefix).expect(3)
    assert str(small / "run") in done.err
    assert done.err.count("record.json") <= 1, done.err
    assert done.transitions() > 200_000, "the program itself is unharmed"


def test_a_log_that_finds_no_room_leaves_the_trace_and_says_so(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=4m tmpfs {small}")
    arguments = ["--convert", "--buffers", "64kx16", "--", spin, "40000"]
    done = record(small / "run", *arguments, prefix=prefix).expect(3)
    assert f"the trace is kept, convert it to another disk (paltrace convert {small}/run -o FILE)" in done.err
    assert f"cannot write {small}/run/tiffany.pal: No space left on device" in done.err


def test_a_disk_without_room_is_refused_before_the_command_runs(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=32k tmpfs {small}")
    done = record(small / "run", "--", spin, "1000", prefix=prefix).expect(3)
    assert str(small / "run") in done.err and "full" in done.err
    assert done.transitions() == 0


def test_the_commands_own_status_goes_before_a_full_disk(tmp_path, spin):
    small = tmp_path / "small"
    small.mkdir()
    prefix = mount_namespace(f"mount -t tmpfs -o size=1M tmpfs {small}")
    done = record(small / "run", "--", spin, "200000", "--exit", "9", prefix=prefix).expect(9)
    assert "full" in done.err


CPUS = os.sysconf("SC_NPROCESSORS_CONF")
PER_PROCESS = CPUS * (9 * 1024 + 5 * 64 + 5 * 16)  # KiB, with --buffers 1Mx8 and the smallest other channels


def room_for_one():
    """/dev/shm has room for one process, and for the small channels of a second one."""
    return small_shm(f"{PER_PROCESS * 108 // 100}k")


def one_after_another(tmp_path, spin, between=""):
    """A shell script: a process that keeps its buffers while a second one starts, makes 1,000 transitions and ends."""
    go = tmp_path / "go"
    return (
        f"{spin} 0 --gently --announce {go} & first=$!\n"
        f"until [ -e {go} ]; do sleep 0.05; done\n{between}\n"
        f"{spin} 1000\nkill -TERM $first; wait $first"
    )


@pytest.mark.parametrize("kib", range(100, 161, 6))
def test_buffers_that_were_asked_for_are_refused_or_have_room_whatever_the_size_of_shm(tmp_path, spin, kib):
    """In percent of the smallest rings: what LTTng takes beside them counts, too."""
    small = CPUS * (5 * 64 + 5 * 64 + 5 * 16) * kib // 100
    done = record(tmp_path / "run", "--buffers", "64kx4", "--", spin, "1000", "--gently", prefix=small_shm(f"{small}k"))
    if done.code == 3:
        told = re.search(r"cannot record: buffers of 64kx4 take (\d+) KiB a process .*, and /dev/shm has room for (\d+) KiB;", done.err)
        assert told and int(told[1]) > int(told[2]), done.err
        assert done.transitions() == 0, "it does not run"
        assert kib < 150, "that is room enough"
    else:
        assert (done.expect(0).file["transitions"], done.file["lost"]) == (done.transitions(), 0), done.err


def test_as_many_processes_as_it_says_have_room(tmp_path, spin):
    prefix = small_shm(f"{CPUS * 4}M")
    options = ["--buffers", "64kx8", "--"]
    said = record(tmp_path / "none", *options, "true", prefix=prefix).err
    count = int(re.search(r"room for (\d+) at a time", said)[1])
    assert count > 1
    # each is there until all are, and makes no more than its buffers hold
    begin = "".join(f"{spin} 2000 --announce {tmp_path}/go{i} --hold {tmp_path}/all &\n" for i in range(count))
    until = "".join(f"until [ -e {tmp_path}/go{i} ]; do sleep 0.05; done\n" for i in range(count))
    done = record(tmp_path / "run", *options, "sh", "-c", f"{begin}{until}touch {tmp_path}/all; wait", prefix=prefix).expect(0)
    assert len(done.file["processes"]) == count
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0), done.err


def test_a_process_without_room_for_any_buffer_is_named(tmp_path, spin):
    # what the first process leaves would be enough for a small channel: that is taken away, but for what LTTng itself needs
    fill = "dd if=/dev/zero of=/dev/shm/fill bs=1M 2>/dev/null; truncate -s -96K /dev/shm/fill"
    script = one_after_another(tmp_path, spin, fill)
    done = record(tmp_path / "run", "--buffers", "1Mx8", "--", "sh", "-c", script, prefix=room_for_one()).expect(3)
    assert re.search(r"spin_transitions? \(pid \d+\) got no buffers: nothing", done.err), done.err
    assert "/dev/shm had room for the buffers of 1 at a time" in done.err
    assert "lost at least 0 transitions\n" in done.err
    assert done.file["processes_without_buffers"] == 1
    _, first = re.findall(r"^transitions (\d+)$", done.out, re.M)  # the second process ends before it
    assert done.file["transitions"] == int(first)
    checked_run = check(tmp_path / "run")
    assert checked_run.returncode == 1, checked_run
    assert checked_run.stdout.endswith("bad: processes without buffers: 1\n")
    assert "got no buffers" in checked_run.stderr


def test_transitions_without_buffers_are_lost_and_are_no_selection(tmp_path, spin):
    # The second process gets its small channels only; how many transitions it made is told by its worker's stop. Which
    # channel LTTng makes first is decided by a hash of its own: those after the large one are not tried.
    for attempt in range(20):
        run = tmp_path / str(attempt)
        (tmp_path / "go").unlink(missing_ok=True)
        command = ["--buffers", "1Mx8", "--convert", "--", "sh", "-c", one_after_another(tmp_path, spin)]
        done = record(run, *command, prefix=room_for_one()).expect(3)
        if "got no buffers: nothing" not in done.err and done.file["lost"] > 0:
            break
    assert "got no buffers for its transitions" in done.err
    assert "selection" not in done.err
    assert done.file["lost"] > 1000
    assert done.file["transitions"] + done.file["lost"] == done.transitions()
    assert "events" not in read_lines(run / "tiffany.pal")[0]
    assert check(run / "tiffany.pal").returncode == 4
    judged = check(run)
    assert judged.returncode == 1
    assert "selection" not in judged.stdout
    assert f"lost: {done.file['lost']} transitions" in judged.stdout


def test_a_full_shm_keeps_a_process_from_lttng_and_it_says_so(tmp_path, spin):
    script = one_after_another(tmp_path, spin, "dd if=/dev/zero of=/dev/shm/fill bs=4k 2>/dev/null; sleep 1")
    done = record(tmp_path / "run", "--", "sh", "-c", script, prefix=small_shm("16M")).expect(3)
    assert "/dev/shm was full while COMMAND ran" in done.err
    assert done.file["shm_was_full"] is True
    assert "good, but some may be missing, uncounted" in check(tmp_path / "run").stdout


def test_it_says_beforehand_how_many_processes_have_room(tmp_path, spin):
    prefix = small_shm(f"{CPUS * 3025 * 34 // 1000}M")  # 30.25 MiB a CPU for each process
    done = record(tmp_path / "run", "--buffers", "1Mx8", "--", spin, "1000", prefix=prefix).expect(0)
    assert "room for 3 at a time" in done.err


def test_buffers_that_would_not_be_ready_in_time_are_refused_with_both_sizes(tmp_path, spin):
    done = record(tmp_path / "run", "--buffers", "1024Mx16", "--", spin, "1000").expect(2)
    told = int(re.search(r"take (\d+) MiB a process", done.err)[1])
    assert 0 <= told - (17 * 4096 + 20 * 4 + 5) * CPUS // 4 <= 1 + CPUS // 16 and "1024 MiB" in done.err, done.err
    assert not (tmp_path / "run").exists()


def test_a_start_that_did_not_wait_for_lttng_is_told_and_counted(tmp_path, spin):
    env = dict(os.environ, LTTNG_UST_REGISTER_TIMEOUT="0")
    run = tmp_path / "run"
    recorded = f"find {run}/trace -name 'transitions_*' -size +8k | grep -q ."
    script = f"{spin} 0 --gently & until {recorded}; do sleep 0.05; done; kill -TERM $!; wait $!"
    done = record(run, "--convert", "--", "sh", "-c", script, env=env).expect(4)
    untraced = done.file["not_traced"]
    assert untraced > 0, "the test needs a late start"
    assert done.file["transitions"] + done.file["lost"] + untraced == done.transitions()
    assert f"{untraced} transitions were not traced" in done.err
    assert "LTTNG_UST_REGISTER_TIMEOUT is set to 0" in done.err
    assert "lost no transition\n" not in done.err
    # the log says the same, and so does a log that is made of it
    code = 4 if done.file["lost"] else 0  # its buffers may be too small on a machine that is busy
    again = subprocess.run([program("paltrace"), "convert", run / "tiffany.pal", "-o", run / "again.pal"], check=False)
    assert again.returncode == code
    for input_ in (run, run / "tiffany.pal", run / "again.pal"):
        judged = check(input_)
        assert judged.returncode == code, judged
        assert f"not traced: {untraced} transitions" in judged.stdout
        assert f"{untraced} transitions not traced" in judged.stdout.splitlines()[-1]
