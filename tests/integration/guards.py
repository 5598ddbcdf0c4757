"""The LTTng provider never harms its program: what becomes of the program when LTTng is absent, off, full, hung or dead,
and how it learns that somebody listens while it runs."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import kit
import pytest
from kit import Bpftrace, PrivateLttng, alive, checked, need_bpftrace, need_root, poll, private_copy, program
from kit import semaphore_of, set_semaphore, stop

STEADY = program("steady")


def said(output):
    """{"lttng": "available", "transitions": "1001"}"""
    return dict(line.split(maxsplit=1) for line in output.splitlines())


class Running:
    """A process that runs until it is asked to end."""

    def __init__(self, process):
        self.process = process
        self.lttng = process.stdout.readline().split()[1]

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def maps(self):
        return pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=kit.DEADLINE)
        assert self.process.returncode == 0
        return int(said(output)["transitions"])


def start(*arguments, env=None, popen=subprocess.Popen, executable=STEADY):
    command = [str(part) for part in (executable, *arguments)]
    return Running(popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, text=True))


def test_the_provider_is_loaded_with_lttngs_two_threads():
    running = start(0, 1000)
    assert running.lttng == "available"
    assert running.threads() == 3
    assert "libtiffany-lttng.so" in running.maps()
    running.end()


def test_switched_off_keeps_the_module_and_lttngs_threads_out():
    running = start(0, 1000, env={"TIFFANY_LTTNG": "0"})
    assert running.lttng == "disabled"
    assert running.threads() == 1
    assert "lttng" not in running.maps()
    assert running.end() > 0


def test_without_a_session_daemon_it_runs_and_lttngs_two_threads_wait_for_one(tmp_path):
    need_root()
    os.makedirs("/run/lttng", exist_ok=True)
    nobody = ["--mount", "--propagation", "private", "sh", "-ec", 'mount -t tmpfs tmpfs /run/lttng; exec "$@"', "sh"]
    running = start(*nobody, STEADY, 0, 1000, executable="unshare", env={"LTTNG_HOME": str(tmp_path)})
    try:
        assert running.lttng == "available"
        assert running.threads() == 3
        assert running.end() > 0
    finally:
        kit.end_process(running.process)


def test_without_the_module_the_program_runs(tmp_path):
    alone = private_copy(STEADY, tmp_path)
    assert said(checked([alone, 1000]).stdout) == {"lttng": "no_module", "transitions": "1001"}


def test_a_module_that_is_named_is_the_only_one_tried(tmp_path):
    env = dict(os.environ, TIFFANY_LTTNG_MODULE=str(tmp_path / "nothing.so"))
    assert said(checked([STEADY, 1000], env=env).stdout)["lttng"] == "no_module"


def test_a_module_of_another_version_is_not_used(tmp_path):
    other = shutil.copy(shutil.which("true"), tmp_path / "libtiffany-lttng.so")
    env = dict(os.environ, TIFFANY_LTTNG_MODULE=str(other))
    assert said(checked([STEADY, 1000], env=env).stdout)["lttng"] == "no_lttng", "a program is no library"
    source = tmp_path / "other.c"
    source.write_text("int tiffany_lttng_table_0(void) { return 0; }\n")
    checked(["cc", "-shared", "-fPIC", "-o", other, source])
    assert said(checked([STEADY, 1000], env=env).stdout)["lttng"] == "incompatible"


def in_private_mounts(script, *command):
    """Runs a command where `script` changed what is mounted, for that command alone."""
    return checked(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "sh", *command]
    ).stdout


def test_where_lttng_is_not_installed_the_same_program_runs():
    need_root()
    ust = re.findall(r"(\S+/liblttng-ust\.so\.\S+)", start_and_map())
    assert ust
    hide = f"mount --bind /dev/null {os.path.realpath(ust[0])}"
    assert said(in_private_mounts(hide, STEADY, 1000)) == {"lttng": "no_lttng", "transitions": "1001"}


def start_and_map():
    running = start(0, 1000)
    maps = running.maps()
    running.end()
    return maps


def test_a_full_dev_shm_ends_no_program():
    need_root()
    # lttng-ust maps a page there when it is loaded: without room the kernel ends the program with SIGBUS
    fill = "mount -t tmpfs -o size=8k tmpfs /dev/shm; head -c 8192 /dev/zero >/dev/shm/full"
    assert said(in_private_mounts(fill, STEADY, 1000)) == {"lttng": "shm_full", "transitions": "1001"}


def test_a_session_daemon_that_hangs_delays_a_start_by_our_bound_not_by_lttngs(tmp_path):
    with PrivateLttng(tmp_path) as lttng:

        def seconds(**env):
            """Of one start; where LTTng's own variable is not given, ours holds."""
            begin = time.monotonic()
            lttng.run(["env", "-u", "LTTNG_UST_REGISTER_TIMEOUT", *(f"{name}={value}" for name, value in env.items()), STEADY, 10])
            return time.monotonic() - begin

        ours, without = [], []

        def later():
            """By how much the daemon delays a start, s. Of each kind the shortest: what else delays one is the machine's."""
            return min(ours) - min(without)

        stop(lttng.daemon.pid)
        try:
            lttngs = seconds(LTTNG_UST_REGISTER_TIMEOUT=3000)
            while len(ours) < 5 or (later() >= 0.55 and len(ours) < 30):
                ours.append(seconds())
                without.append(seconds(TIFFANY_LTTNG=0))
        finally:
            lttng.daemon.send_signal(signal.SIGCONT)
        print(f"start {1000 * later():+.0f} ms")
        assert lttngs > 3, "the test needs a daemon that hangs"
        assert min(ours) > 0.4 and later() < 0.55, (ours, without)


def test_the_programs_environment_is_as_it_was(monkeypatch):
    monkeypatch.delenv("LTTNG_UST_REGISTER_TIMEOUT")
    running = start(0, 1000)
    environment = pathlib.Path(f"/proc/{running.process.pid}/environ").read_text()
    assert "LTTNG_UST_REGISTER_TIMEOUT" not in environment
    running.end()


def events_of(trace, name):
    return [line for line in checked(["babeltrace2", trace]).stdout.splitlines() if f" tiffany:{name}: " in line]


def field(line, name):
    return int(re.search(rf"\b{name} = (\d+)", line).group(1))


def new_session(lttng, trace):
    lttng.lttng("create", "run", f"--output={trace}")
    lttng.lttng("enable-channel", "-u", "--buffers-pid", "--subbuf-size=1M", "--num-subbuf=4", "c")


def test_a_session_that_starts_while_the_program_runs_is_noticed(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        running = start(0, 1000, popen=lttng.popen, env={"LTTNG_HOME": str(lttng.home)})
        new_session(lttng, tmp_path / "trace")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "c")
        lttng.lttng("start")
        poll(lambda: lacks_nothing(lttng, tmp_path / "trace"), "a dump, and all that came after it, in the trace")
        running.end()
        lttng.lttng("destroy", "run")
        check_dumps(tmp_path / "trace")


def test_events_enabled_on_a_running_session_are_noticed(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        new_session(lttng, tmp_path / "trace")
        lttng.lttng("start")
        running = start(0, 1000, popen=lttng.popen, env={"LTTNG_HOME": str(lttng.home)})
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "c")  # calls nobody in the program
        before = switches(running.process.pid)
        poll(lambda: switches(running.process.pid) > before + 300, "it has looked: after 100 ms, and at most 64 ticks more")
        assert dumps(lttng, tmp_path / "trace", 1), "it noticed by itself: when a session starts, it is told"
        poll(lambda: lacks_nothing(lttng, tmp_path / "trace"), "a dump, and all that came after it, in the trace")
        running.end()
        lttng.lttng("destroy", "run")
        check_dumps(tmp_path / "trace")


def test_events_switched_off_and_on_again_at_once_are_recorded_again(tmp_path):
    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={trace}")
        lttng.lttng("enable-channel", "-u", "--buffers-pid", "--subbuf-size=4k", "--num-subbuf=4", "c")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "c")
        lttng.lttng("start")
        running = start(0, 1000, popen=lttng.popen, env={"LTTNG_HOME": str(lttng.home)})

        def written():
            return sum(stream.stat().st_size for stream in trace.rglob("c_*") if stream.is_file())

        def records_on(what):
            before = written()  # a start or a stop would be a new chance for the program: the files are looked at
            poll(lambda: written() >= before + 6 * 4096, what, 20)

        records_on("it records")
        # often enough that some fall between two of the program's looks, which are 100 ms apart
        for toggle in range(8):
            off, on = (f"lttng --no-sessiond {what} -u 'tiffany:*' -c c" for what in ("disable-event", "enable-event"))
            lttng.run(["sh", "-ec", f"{off}; {on}"])
            records_on(f"it records after it was switched off and on {toggle + 1} times")
        running.end()
        lttng.lttng("destroy", "run")


def test_a_state_dump_that_is_asked_for_is_another_dump(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        running = start(0, 1000, popen=lttng.popen, env={"LTTNG_HOME": str(lttng.home)})
        new_session(lttng, tmp_path / "trace")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "c")
        lttng.lttng("start")
        poll(lambda: dumps(lttng, tmp_path / "trace", 1), "the first dump")
        before = len(dumps(lttng, tmp_path / "trace", 1))
        lttng.lttng("regenerate", "statedump")
        found = poll(lambda: dumps(lttng, tmp_path / "trace", before + 1), "another dump")
        generations = [field(line, "generation") for line in found]
        assert generations == sorted(set(generations)), "each has a generation of its own"
        running.end()
        lttng.lttng("destroy", "run")


def test_a_plugin_that_carries_the_library_is_opened_and_closed_while_lttng_records(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        new_session(lttng, tmp_path / "trace")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "c")
        lttng.lttng("start")
        running = start_host(lttng.popen, times=100)
        # sessions begin after the plugin was closed: LTTng's thread calls whoever asked to be told, in every copy
        for _ in range(3):
            lttng.lttng("regenerate", "statedump")
            before = len(dumps_of_host(lttng, tmp_path / "trace"))
            poll(lambda: len(dumps_of_host(lttng, tmp_path / "trace")) > before, "the host's own copy is told too")
        assert running.end() > 0
        lttng.lttng("destroy", "run")
    log = tmp_path / "run.pal"
    # what the host did while the session was off is no loss
    checked([program("paltrace"), "convert", tmp_path / "trace", "-o", log])
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    spawned = [entry for entry in entries if entry.get("name") == "plugin" and entry["event"] == "Spawned"]
    (plugin,) = {entry["instance"] for entry in spawned}  # it stays where LTTng knows it: a copy of its own, beside the host's
    assert len({entry["tid"] for entry in spawned}) == 100
    told = collections.Counter((entry["instance"], entry["event"]) for entry in entries if "step" in entry and "seq" in entry)
    assert {event: count for (of, event), count in told.items() if of == plugin} == {"Spawned": 100, "Running": 100, "Done": 100}
    (host,) = {instance for instance, _ in told} - {plugin}
    assert told[host, "Running"] > 0


@pytest.mark.parametrize("log", [True, False], ids=["its log goes on", "it is unloaded each time"])
def test_a_plugin_that_carries_the_library_is_opened_and_closed_without_lttng(tmp_path, log):
    own = tmp_path / "own.pal"
    off = {"TIFFANY_LTTNG": "0", **({"TIFFANY_PAL": str(own)} if log else {})}
    running = start_host(lambda command, **how: subprocess.Popen(command, env={**os.environ, **off}, **how), times=100)
    assert ("plugin.so" in running.maps()) == log
    assert running.end() > 0
    logs = [[json.loads(line) for line in path.read_text().splitlines()] for path in tmp_path.iterdir() if ".lock" not in path.name]
    plugins = [entries for entries in logs if any(entry.get("name") == "plugin" for entry in entries)]
    told = [collections.Counter(entry["event"] for entry in entries if "step" in entry and "seq" in entry) for entries in plugins]
    assert told == ([{"Spawned": 100, "Running": 100, "Done": 100}] if log else [])


def start_host(popen, times):
    command = [str(program("plugin_host")), str(program("plugin.so")), str(times)]
    process = popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == f"closed {times}\n"
    host = Running.__new__(Running)
    host.process = process
    return host


def dumps_of_host(lttng, trace):
    return [line for line in dumps(lttng, trace, 0) or [] if 'scheduler = "host"' in line]


def dumps(lttng, trace, at_least):
    lttng.lttng("stop")
    found = events_of(trace, "dump_worker") if list(trace.rglob("metadata")) else []
    lttng.lttng("start")
    return len(found) >= at_least and found


def begins(trace):
    """(dump, transition) for each stretch in which the worker has not seen LTTng off: its first dump in the trace, and the
    transition that is recorded after it."""
    on_seq, dump = None, None
    for line in checked(["babeltrace2", trace]).stdout.splitlines():
        if " tiffany:dump_worker: " in line and field(line, "on_seq") != on_seq:
            on_seq, dump = field(line, "on_seq"), line
        elif " tiffany:task_" in line and dump:
            yield dump, line
            dump = None


def lacks_nothing(lttng, trace):
    """Whether there is a stretch of which no transition is missing after its first dump, which says where the worker stood.

    Not of each: LTTng registers the events one by one, and a worker that looks in between tells of itself before all of
    its transitions are recorded. It tells once more then, and the next stretch is another chance.
    """
    lttng.lttng("stop")
    found = list(begins(trace)) if list(trace.rglob("metadata")) else []
    lttng.lttng("start")
    return any(field(transition, "seq") == field(dump, "seq") + 1 for dump, transition in found)


def check_dumps(trace):
    """Each says where the worker stood, and since when it has not seen LTTng off.

    The session that is stopped and started to look at it may be off when the worker tells of itself for the first time,
    and on again before it looks: then the dump in the trace is its second, and `on_seq` is before it.
    """
    for dump in events_of(trace, "dump_worker"):
        assert 1 < field(dump, "on_seq") <= field(dump, "seq") + 1, dump


def test_bpftrace_that_attaches_to_a_running_program_is_noticed(tmp_path):
    need_bpftrace()
    copy = private_copy(STEADY, tmp_path)
    running = start(0, 1000, executable=copy, env={"TIFFANY_LTTNG": "0"})
    # 300 ms of transitions: time for another dump, which would be one too many
    script = f"usdt:{copy}:tiffany:dump__worker {{ @dumps = count(); printf(\"dump\\n\"); }}"
    script += f" usdt:{copy}:tiffany:task__running {{ @ = count(); @seen++; if (@seen == 300) {{ printf(\"seen\\n\"); }} }}"
    results = []
    while not results or (results[-1]["@dumps"] != 1 and len(results) < 5):
        with Bpftrace(script) as tracer:
            for what in ("dump", "seen"):
                poll(lambda: any(what in line for line in list(tracer._lines)), f"it prints {what}")
            results.append(tracer.stop().maps)
    made = running.end()
    assert all(300 <= result["@"] < made for result in results)
    # one that gets no CPU for 100 ms between its two probes is two tracers, but not each time
    assert results[-1]["@dumps"] == 1, f"one tracer, however many probes it attaches, is one dump: {results}"


def test_bpftrace_that_attaches_to_the_ticks_alone_of_a_running_program_is_noticed(tmp_path):
    need_bpftrace()
    copy = private_copy(STEADY, tmp_path)
    running = start(0, 1000, executable=copy, env={"TIFFANY_LTTNG": "0"})
    with Bpftrace(f"usdt:{copy}:tiffany_tick:begin {{ @ = count(); printf(\"tick\\n\"); }}") as tracer:
        tracer.wait_for_printed(1)
        assert semaphore_of(running.process.pid, copy, "task__running") == 0, "the ticks' semaphore is their own"
        assert tracer.stop().maps["@"] > 0
    running.end()


def test_the_semaphore_is_zero_again_after_bpftrace_was_killed(tmp_path):
    need_bpftrace()
    copy = private_copy(STEADY, tmp_path)
    running = start(0, 1000, executable=copy, env={"TIFFANY_LTTNG": "0"})

    def semaphore():
        return semaphore_of(running.process.pid, copy, "task__running")

    assert semaphore() == 0
    with Bpftrace(f"usdt:{copy}:tiffany:task__running {{ @ = count(); }}") as tracer:
        assert semaphore() == 1
        tracer.process.kill()
        tracer.process.wait()
        poll(lambda: semaphore() == 0, "the semaphore is 0 again")
    running.end()


def test_a_tracer_that_went_and_came_between_two_looks_is_served_again(tmp_path):
    need_bpftrace()
    copy = private_copy(STEADY, tmp_path)
    running = start(0, 1000, executable=copy, env={"TIFFANY_LTTNG": "0"})
    with Bpftrace(f"usdt:{copy}:tiffany:task__running {{ printf(\"run\\n\"); }}") as tracer:
        tracer.wait_for_printed(1)
        pid = running.process.pid
        attached = semaphore_of(pid, copy, "task__running")
        for _ in range(3):
            # what the kernel writes there when a tracer goes and another comes, which bpftrace takes too long for
            set_semaphore(pid, copy, "task__running", 0)
            time.sleep(0.02)  # some ticks
            set_semaphore(pid, copy, "task__running", attached)
            tracer.wait_for_printed(len(tracer._lines) + 300)
        tracer.stop()
    running.end()


@pytest.mark.parametrize("events", ["tiffany:*", "tiffany_tick:*"])
def test_a_dead_consumer_of_a_blocking_channel_does_not_stop_the_program(tmp_path, events):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", f"--output={tmp_path / 'trace'}")
        lttng.lttng(
            *("enable-channel", "-u", "--buffers-pid", "--subbuf-size=4k", "--num-subbuf=2"),
            *("--blocking-timeout=200000", "c"),  # us
        )
        lttng.lttng("enable-event", "-u", events, "-c", "c")
        lttng.lttng("start")
        running = start(
            *(0, 100),
            popen=lttng.popen,
            env={"LTTNG_HOME": str(lttng.home), "LTTNG_UST_ALLOW_BLOCKING": "1"},
        )
        poll(lambda: any(lttng.consumers()), "a consumer daemon")
        poll(lambda: len(list((tmp_path / "trace").rglob("c_*"))) > 0, "streams")
        kill_consumers(lttng)
        # at 200 ms an event it would make ten in the time that the poll of its progress takes
        pid = running.process.pid
        poll(lambda: switches(pid) > 2000, "it goes on at its own pace")
        assert running.end() > 1000


def kill_consumers(lttng):
    for pid in lttng.consumers():
        with contextlib.suppress(ProcessLookupError):  # a child of the session daemon that lived for a moment
            os.kill(pid, signal.SIGKILL)
        poll(lambda: not alive(pid), "the consumer daemon is dead")


def switches(pid):
    """How often the program slept: once for two transitions."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"voluntary_ctxt_switches:\s+(\d+)", status).group(1))


def test_no_hook_allocates_while_lttng_records(tmp_path):
    done = checked(
        [program("paltrace"), "record", "-o", tmp_path / "run", "--", program("count_allocations")], timeout=300
    )
    assert said(done.stdout) == {"lttng": "available", "transitions": "1000000 allocations 0"}
    assert "lost no transition" in done.stderr


def test_no_hook_allocates_while_a_sink_takes_the_events():
    done = checked([program("count_allocations"), "--sink"], env={"TIFFANY_LTTNG": "0"}, timeout=300)
    told = said(done.stdout)
    assert told["transitions"] == "1000000 allocations 0"
    delivered, lost = (int(told[name]) for name in ("delivered", "lost"))
    assert delivered + lost == 1_000_000
    assert delivered > 10_000, "it was on"
