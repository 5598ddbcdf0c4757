"""A traced program forks, becomes another program, or a daemon: nobody hangs, and each process counts from 1 under an
identity of its own."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest
from kit import DEADLINE, PrivateLttng, checked, kill_with_all_below, poll, program, run_to_end

FORKS = program("forks")


def traced(tmp_path, command, ended=None):
    """What the command said, and {(instance, worker): its transitions' seqs} of its trace."""
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path / 'trace'}")
        lttng.lttng("enable-channel", "-u", "--buffers-pid", "--subbuf-size=1M", "--num-subbuf=8", "all")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "all")
        lttng.lttng("start")
        said = lttng.run(command, timeout=5 * DEADLINE).stdout
        if ended is not None:
            said = poll(lambda: ended.exists() and "transitions" in ended.read_text() and ended.read_text(), "it ended")
        lttng.lttng("destroy", "run")
    log = tmp_path / "run.pal"
    done = subprocess.run(
        [program("paltrace"), "convert", tmp_path / "trace", "-o", log], capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stderr
    return said, seqs_of(log)


def seqs_of(log):
    seqs = collections.defaultdict(list)
    with open(log, encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if "step" in record and "seq" in record:
                seqs[record["instance"], record["worker"]].append(record["seq"])
    return seqs


def expect_own_counts(said, seqs, children, each):
    assert re.search(r"^good (\d+)$", said, re.M)[1] == str(children)
    parent = int(re.search(r"^transitions (\d+)$", said, re.M)[1])
    counts = sorted(map(len, seqs.values()))
    assert counts[-1] == parent and counts[:-1] == [each] * children
    assert all(sorted(mine) == list(range(1, len(mine) + 1)) for mine in seqs.values()), "each counts from 1"


def test_a_thousand_forked_children_are_a_thousand_instances(tmp_path):
    said, seqs = traced(tmp_path, [FORKS, 1000])
    expect_own_counts(said, seqs, 1000, 4)


def test_a_fork_while_other_threads_fire_and_schedulers_come_and_go_hangs_nobody(tmp_path):
    """A lock that another thread holds at that moment is held for ever in the child."""
    said, seqs = traced(tmp_path, [FORKS, 1000, "--beside"])
    expect_own_counts_beside(said, seqs, 1000)


# bounded: what a thread tells without a pause while a child hangs must not fill the disk
SMALL = ["enable-channel", "-u", "--buffers-pid", "--subbuf-size=64k", "--num-subbuf=4", "--tracefile-size=1M", "--tracefile-count=2", "all"]


def test_a_child_ends_by_exit_although_another_thread_told_an_event_at_the_fork(tmp_path):
    """LTTng waits at exit() for all who read its lists of tracepoints; in the child that thread does so for ever."""
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path / 'trace'}")
        lttng.lttng(*SMALL)
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "all")
        lttng.lttng("start")
        assert "good 100\n" in lttng.run([FORKS, 100, "--exit"], timeout=5 * DEADLINE).stdout
        lttng.lttng("destroy", "run")


def test_a_child_ends_by_exit_although_a_session_came_or_went_at_the_fork(tmp_path):
    """LTTng's listener thread, which holds its locks meanwhile, is not in the child."""
    sessions = 0
    with PrivateLttng(tmp_path) as lttng:
        process = lttng.popen([FORKS, 1000, "--exit"], stdout=subprocess.PIPE, text=True)
        try:
            while process.poll() is None:
                lttng.lttng("create", "run", f"--output={tmp_path / 'trace'}")
                lttng.lttng(*SMALL)
                lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "all")
                lttng.lttng("start")
                lttng.lttng("destroy", "run")
                shutil.rmtree(tmp_path / "trace")
                sessions += 1
            assert (process.returncode, "good 1000\n" in process.stdout.read()) == (0, True)
        finally:
            kill_with_all_below(process.pid)
            process.wait()
    assert sessions > 1


@pytest.mark.parametrize("modules", [1, 2])
def test_a_plugin_with_a_copy_of_the_library_makes_no_fork_wait_for_itself(tmp_path, modules):
    """Each copy has its handlers; told twice of one fork LTTng would wait for what it holds itself."""
    plugin = program("plugin.so")
    if modules == 2:
        shutil.copy(plugin.parent / "libtiffany-lttng.so", tmp_path)
        plugin = shutil.copy(plugin, tmp_path)
    with PrivateLttng(tmp_path) as lttng:
        host = lttng.popen([program("plugin_host"), plugin, 1], stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(DEADLINE, kill_with_all_below, [host.pid])
        watchdog.start()
        try:
            assert [host.stdout.readline() for _ in range(2)] == ["closed 1\n", "child 0\n"]
            maps = pathlib.Path(f"/proc/{host.pid}/maps").read_text()
            assert len(set(re.findall(r"/\S*/libtiffany-lttng.so", maps))) == modules
        finally:
            watchdog.cancel()
            kill_with_all_below(host.pid)
            host.wait()


# The kernel's numbers of poll, or ppoll, and of futex; of the first two without a file, which is how LTTng sleeps.
SLEEPS = r"(7|73) 0x0 0x0 "
WAITS_FOR_A_LOCK = r"(202|98) "


def is_in(pid, name, syscall):
    """Whether a thread of that name (or that ends with it, as LTTng's own with "-ust") is in such a system call."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (thread / "comm").read_text().strip().endswith(name) and re.match(syscall, (thread / "syscall").read_text()):
                return True
    return False


def sleeps(pid, name):
    """How often a thread of that name has begun to sleep."""
    (thread,) = (each for each in pathlib.Path(f"/proc/{pid}/task").iterdir() if (each / "comm").read_text().strip() == name)
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)$", (thread / "status").read_text(), re.M)[1])


def stands_still(pid):
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


@contextlib.contextmanager
def blocked(tmp_path):
    """A worker waits in an event for room, without an end, and LTTng's listener thread, which holds its locks, for the worker."""
    with PrivateLttng(tmp_path) as lttng:
        lttng.start_blocking_session(tmp_path / "trace", "inf")
        consumers = []
        command, env = [program("forks_while_blocked")], {"LTTNG_UST_ALLOW_BLOCKING": "1"}
        process = lttng.popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        watchdog = threading.Timer(DEADLINE, kill_with_all_below, [process.pid])
        watchdog.start()
        try:
            poll(lambda: any(stream.stat().st_size for stream in tmp_path.glob("trace/ust/pid/*/all_*")), "it is recorded")
            consumers += lttng.consumers()
            for consumer in consumers:
                os.kill(consumer, signal.SIGSTOP)
            poll(lambda: all(map(stands_still, consumers)), "nobody makes room")
            before = sleeps(process.pid, "worker")
            poll(lambda: sleeps(process.pid, "worker") >= before + 2, "the worker has begun to wait for room since then")
            lttng.popen(["lttng", "--no-sessiond", "disable-event", "-u", "-c", "all", "--all-events"], stdout=subprocess.DEVNULL)
            poll(lambda: is_in(process.pid, "-ust", SLEEPS), "LTTng waits for the worker")
            yield process
            poll(lambda: is_in(process.pid, "-ust", SLEEPS), "it still does")
            for consumer in consumers:
                os.kill(consumer, signal.SIGCONT)
            out, _ = process.communicate("end\n")
            assert process.returncode == 0
            process.rest = out
        finally:
            watchdog.cancel()
            kill_with_all_below(process.pid)
            process.wait()
            for consumer in consumers:
                os.kill(consumer, signal.SIGCONT)


def test_a_fork_that_waits_for_lttng_keeps_no_worker_and_no_scrape_waiting(tmp_path):
    with blocked(tmp_path) as process:
        process.stdin.write("fork\n")
        poll(lambda: is_in(process.pid, "forker", WAITS_FOR_A_LOCK), "the fork waits for LTTng")
        process.stdin.write("count\n")
        assert process.stdout.readline() == "counted\n"
    assert process.rest == "forked\n", "when LTTng has gone on"


def test_a_signal_handler_that_forks_in_the_middle_of_an_event_waits_for_nobody(tmp_path):
    """LTTng waits, with its locks, for that event's end, which comes behind the handler's."""
    with blocked(tmp_path) as process:
        process.stdin.write("signal\n")
        assert process.stdout.readline() == "handled\n"


def expect_own_counts_beside(said, seqs, forks):
    assert re.search(r"^good (\d+)$", said, re.M)[1] == str(forks), "each counts from 1, is nobody else, and can begin a scheduler"
    counts = collections.Counter()
    for (instance, _), mine in seqs.items():
        counts[instance] += len(mine)
        assert sorted(mine) == list(range(1, len(mine) + 1)), "each worker counts from 1"
    *children, parent = sorted(counts.values())
    assert children == [7] * forks
    assert parent == int(re.search(r"^transitions (\d+)$", said, re.M)[1])


@pytest.mark.parametrize("beside", [False, True], ids=["one thread", "beside others"])
def test_of_twenty_forks_under_follow_fork_each_has_a_recording_of_its_own(tmp_path, beside):
    run = tmp_path / "run"
    command = [program("paltrace"), "record", "-o", run, "--convert", "--follow-fork", "--buffers", "1Mx8", "--", FORKS, 20]
    patient = os.environ | {"LTTNG_UST_REGISTER_TIMEOUT": "-1"}  # how long buffers take is the machine's affair
    begin = time.monotonic()
    said = checked(command + ["--beside"] * beside, env=patient, timeout=5 * DEADLINE).stdout
    print(f"{(time.monotonic() - begin) / 20:.2f} s for each fork")
    told = json.loads((run / "record.json").read_text())
    assert (told["lost"], told["not_traced"], told["processes_without_buffers"]) == (0, 0, 0)
    assert sorted(process["transitions"] for process in told["processes"])[:20] == [7 if beside else 4] * 20
    assert len(told["processes"]) == 21
    if beside:
        expect_own_counts_beside(said, seqs_of(run / "tiffany.pal"), 20)
    else:
        expect_own_counts(said, seqs_of(run / "tiffany.pal"), 20, 4)


def test_a_fork_under_follow_fork_needs_no_file(tmp_path):
    """Whether liblttng-ust-fork has told LTTng already must not be asked in a way that can fail: told twice it waits for itself."""
    at_once = os.environ | {"LTTNG_UST_REGISTER_TIMEOUT": "0"}  # without a socket no child is registered
    command = [program("paltrace"), "record", "-o", tmp_path / "run", "--follow-fork", "--buffers", "64kx4", "--", FORKS, 5, "--no-files"]
    assert "good 5\n" in run_to_end(command, env=at_once).stdout


def test_a_child_that_becomes_another_program_begins_anew(tmp_path):
    said, seqs = traced(tmp_path, [FORKS, 10, "--exec"])
    expect_own_counts(said, seqs, 10, 3)


def test_a_program_that_becomes_a_daemon_goes_on_as_another_instance(tmp_path):
    said = tmp_path / "said"
    told, seqs = traced(tmp_path, [FORKS, 20, "--daemon", said], ended=said)
    parents_only = [instance for instance, mine in seqs.items() if mine == [1]]
    assert len(parents_only) == 1, "what it did before it was a daemon"
    del seqs[parents_only[0]]
    expect_own_counts(told, seqs, 20, 4)
