"""tools/bpftrace: each script, attached to the demo by its pid, shows what the program counted itself and what the PAL
log of the same run says, to the last event and bucket by bucket."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading

import pytest
from end_bpftrace import end_bpftrace
from kit import BIN, DEADLINE, SOURCE, _die_with_parent, checked, end_process, need_bpftrace, need_files_of, poll, program

SCRIPTS = SOURCE / "tools" / "bpftrace"
PAGE = SOURCE / "docs" / "bpftrace.md"
NAMES = ["counts", "delays", "failures", "longest", "runs", "waits"]
ALL = [*NAMES, "stalls", "tasks"]
BEFORE = "(before)"


class Script:
    """One of the scripts, as its user starts it; attached when `with` is entered."""

    _ATTACHED = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

    def __init__(self, command):
        self._command = list(map(str, command))
        self._lines, self._errors = [], []
        self._attached = threading.Event()

    def __enter__(self):
        self.process = subprocess.Popen(
            self._command,
            cwd=SOURCE,
            env=dict(os.environ, TIFFANY_INCLUDE=str(BIN.parent / "generated"), **{self._ATTACHED: "1"}),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_die_with_parent,
        )
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_output, self._read_errors)]
        for reader in self._readers:
            reader.start()
        try:
            poll(self._is_attached, f"{self._command} is attached")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        end_bpftrace(self.process, DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)

    def _read_output(self):
        self._lines.extend(self.process.stdout)

    def _read_errors(self):
        for line in self.process.stderr:
            self._errors.append(line)
            if line.startswith(self._ATTACHED):
                self._attached.set()

    def _is_attached(self):
        assert self._attached.is_set() or self.process.poll() is None, f"{self._command}: {''.join(self._errors)}"
        return self._attached.is_set()

    @property
    def text(self):
        return "".join(list(self._lines))

    @property
    def warned(self):
        """What the script itself said on stderr before bpftrace began."""
        return [line for line in list(self._errors) if re.match(r"\w+: ", line) and not re.match("ERROR|WARNING", line)]

    def wait_for(self, count, pattern):
        """Until so many lines were printed: at its end bpftrace loses what it has not read yet (never its maps)."""
        poll(lambda: len(re.findall(pattern, self.text, re.M)) >= count, f"{count} lines like {pattern}")

    def wait_until_quiet(self):
        """Until it has gone on ten times without having anything to print, where nobody knows how many lines there are.

        By its own turns, not by the clock: it may have no CPU. It sleeps until an event, or 100 ms, and so at each turn.
        """
        seen = {}

        def slept():
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.M)[1])

        def quiet():
            now = slept()  # before the text: what it printed until then is in it
            return now >= seen.setdefault(self.text, now) + 10

        poll(quiet, f"{self._command} prints no more")

    def stop(self):
        """Ctrl-C."""
        end_bpftrace(self.process, DEADLINE)
        return self.ended()

    def ended(self):
        self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        assert self.process.returncode == 0, "".join(self._errors)
        return self.text


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parsed(text):
    """(numbers, histograms) of what bpftrace printed at its end: {key: number}, {key: {lower bound: count}}"""
    numbers, histograms, of = {}, {}, None
    for line in text.splitlines():
        if found := re.fullmatch(r"@\w+\[(.*)\]: (\d+)", line):
            assert found.group(1) not in numbers, f"twice: {line}"
            numbers[found.group(1)] = int(found.group(2))
        elif found := re.fullmatch(r"@\w+\[(.*)\]: ?", line):
            assert found.group(1) not in histograms, f"twice: {line}"
            of = histograms[found.group(1)] = {}
        elif found := re.match(r"\[(\d+)([KMG]?)(?:\]|, \d+[KMG]?\)) +(\d+) \|", line):
            if int(found.group(3)):
                of[int(found.group(1)) * _UNITS[found.group(2)]] = int(found.group(3))
    return numbers, histograms


def bucket(value_ns):
    """The lower bound of bpftrace's bucket: 0, or a power of two, of us."""
    us = value_ns // 1000
    return 1 << us.bit_length() - 1 if us else 0


class Log:
    """What the scripts show, computed from the PAL log."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as log:
            records = [json.loads(line) for line in log]
        end = records[-1]
        assert end["event"] == "End" and end["lost"] == 0, "nothing lost comes first: else nothing else is comparable"
        self.transitions = [record for record in records if "step" in record and record["event"] != "State"]
        self.names = {record["tid"]: record["name"] for record in self.transitions if record["event"] == "Spawned"}

    def counts(self):
        return dict(collections.Counter(record["event"] for record in self.transitions))

    def histograms(self, field, more=lambda record: ""):
        made = collections.defaultdict(collections.Counter)
        for record in self.transitions:
            if field in record:
                made[self.names[record["tid"]] + more(record)][bucket(record[field])] += 1
        return {key: dict(counts) for key, counts in made.items()}

    def longest_us(self):
        longest = {}
        for record in self.transitions:
            if "run_ns" in record:
                name = self.names[record["tid"]]
                longest[name] = max(longest.get(name, 0), record["run_ns"] // 1000)
        return longest

    def failed(self):
        return [record for record in self.transitions if record["event"] == "Failed"]


class WaitingDemo:
    """The demo, started with --wait: it has told its pid, and fires nothing before `go`."""

    def __init__(self, *arguments, under=()):
        command = [*under, program("tiffany-demo"), "--wait", *arguments]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_parent,
        )
        line = self.process.stderr.readline()
        while line and "waits for a line" not in line:
            line = self.process.stderr.readline()
        found = re.search(r"pid (\d+) waits", line)
        assert found, "the demo ended before it waited"
        self.pid = int(found.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_process(self.process)

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def work_is_finished(self):
        assert "transitions" in self.process.stdout.readline()

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        _, errors = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 0, errors


@pytest.fixture(autouse=True)
def _bpftrace():
    need_bpftrace()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run, watched by all scripts at once and recorded: (texts by script, the program's own report, the log)."""
    need_bpftrace()
    directory = tmp_path_factory.mktemp("run")
    record = [program("paltrace"), "record", "-o", directory / "run", "--convert", "--"]
    with WaitingDemo(
        "--transitions", 20_000, "--report", directory / "own.json", "--stay", under=record
    ) as demo, contextlib.ExitStack() as stack:
        need_files_of(demo.pid)
        options = {"longest": [1]}
        scripts = {
            name: stack.enter_context(Script([SCRIPTS / name, demo.pid, *options.get(name, [])])) for name in NAMES
        }
        demo.go()
        demo.work_is_finished()
        own = json.loads((directory / "own.json").read_text())
        scripts["failures"].wait_for(own["events"]["Failed"], r"^\d\d:\d\d:\d\d  .* failed: .+$")
        scripts["longest"].wait_until_quiet()
        demo.end()  # `record` reads its trace back only then
        log = Log(directory / "run" / "tiffany.pal")
        # the process has ended, and so have they
        texts = {name: script.ended() for name, script in scripts.items()}
    return texts, own, log


def test_counts_are_those_of_the_program_and_of_its_log(run):
    texts, own, log = run
    numbers, _ = parsed(texts["counts"])
    assert numbers == own["events"] == log.counts()
    assert all(numbers.values())


def test_runs_are_those_of_the_log_bucket_by_bucket(run):
    texts, _, log = run
    _, histograms = parsed(texts["runs"])
    assert histograms == log.histograms("run_ns")
    assert len(histograms) > 10 and BEFORE not in histograms


def test_waits_are_those_of_the_log_by_name_and_reason(run):
    texts, _, log = run
    _, histograms = parsed(texts["waits"])
    assert histograms == log.histograms("wait_ns", lambda record: f", {record['waited']}")
    reasons = {key.rpartition(", ")[2] for key in histograms}
    assert reasons == {"sleep", "join", "iowait", "wait", "throttled", "dependency"}


def test_ready_delays_are_those_of_the_log(run):
    texts, _, log = run
    _, histograms = parsed(texts["delays"])
    assert histograms == log.histograms("ready_ns")


def test_the_longest_runs_are_those_of_the_log(run):
    texts, _, log = run
    numbers, _ = parsed(texts["longest"])
    assert numbers == log.longest_us()
    # each run of a millisecond and more was printed when it ended; the demo has such runs by design
    printed = re.findall(r"^\d\d:\d\d:\d\d  (.*) \(task (\d+)\) ran (\d+) us$", texts["longest"], re.M)
    expected = [
        (log.names[record["tid"]], str(record["tid"]), str(record["run_ns"] // 1000))
        for record in log.transitions
        if record.get("run_ns", 0) >= 1_000_000
    ]
    assert expected and sorted(printed) == sorted(expected)


def test_failures_are_printed_with_name_and_error_and_counted(run):
    texts, _, log = run
    printed = re.findall(r"^\d\d:\d\d:\d\d  (.*) \(task (\d+)\) failed: (.*)$", texts["failures"], re.M)
    expected = [(log.names[record["tid"]], str(record["tid"]), record["error"]) for record in log.failed()]
    assert expected and sorted(printed) == sorted(expected)
    numbers, _ = parsed(texts["failures"])
    assert numbers == dict(collections.Counter(f"{name}, {error}" for name, _, error in expected))


def test_all_equal_the_statistics_of_the_log_where_they_count_the_same(run):
    texts, _, log = run
    stats = json.loads(checked([program("paltrace"), "stats", "--json", log.path]).stdout)
    assert parsed(texts["counts"])[0] == stats["events"]
    counts, longest_ns = collections.defaultdict(collections.Counter), collections.Counter()
    for kind in stats["tasks_by_name"]:  # a name may come in several groups
        name = kind["name"]
        counts["runs"][name] += kind["run"]["count"]
        counts["delays"][name] += kind["ready"]["count"]
        longest_ns[name] = max(longest_ns[name], kind["run"]["max_ns"] or 0)
        for reason, wait in kind["wait"].items():
            counts["waits"][f"{name}, {reason}"] += wait["count"]
        counts["failures"][name] += kind["ended"]["failed"]
    for script in ("runs", "delays", "waits"):
        seen = {key: sum(histogram.values()) for key, histogram in parsed(texts[script])[1].items()}
        assert seen == {key: count for key, count in counts[script].items() if count}, script
    assert parsed(texts["longest"])[0] == {
        name: value // 1000 for name, value in longest_ns.items() if counts["runs"][name]
    }
    failures = collections.Counter()
    for key, count in parsed(texts["failures"])[0].items():
        failures[key.partition(", ")[0]] += count
    assert failures == {name: count for name, count in counts["failures"].items() if count}


def test_a_task_that_was_there_before_the_script_has_its_name_too():
    with WaitingDemo("--seconds", "0") as demo:
        demo.go()
        poll(lambda: len(os.listdir(f"/proc/{demo.pid}/fd")) > 50, "the demo's clients are connected")
        with Script([SCRIPTS / "runs", demo.pid]) as script:
            # the long-lived ones have run, and new ones were spawned
            with Script([SCRIPTS / "failures", demo.pid]) as failures:
                failures.wait_for(2, r"check block .* failed")
                script_text = script.stop()
        _, histograms = parsed(script_text)
        assert BEFORE not in histograms
        assert {"look-up", "echo client", "ticker", "delegator"} <= set(histograms)
        demo.end()


def test_a_full_map_is_seen_by_its_empty_name(monkeypatch):
    monkeypatch.setenv("BPFTRACE_MAP_KEYS_MAX", "16")
    with WaitingDemo("--transitions", 5_000) as demo, Script([SCRIPTS / "delays", demo.pid]) as script:
        demo.go()
        text = script.ended()
    assert "@ready_us[]: " in text


@pytest.mark.parametrize("name", ALL)
def test_each_tells_what_it_shows_and_what_is_wrong(name):
    def run(*arguments):
        return subprocess.run([SCRIPTS / name, *arguments], text=True, capture_output=True, timeout=DEADLINE)

    helped = run("--help")
    assert helped.returncode == 0 and f"tools/bpftrace/{name} PID" in helped.stdout
    for wrong in ([], ["demo"], ["1", "2", "3"], ["1", "x"]):
        refused = run(*wrong)
        assert (refused.returncode, refused.stdout) == (2, "") and f"tools/bpftrace/{name} PID" in refused.stderr
        assert refused.stderr.startswith(f"{name}: ") == bool(wrong)
    assert run("demo").stderr.startswith(f"{name}: a PID is a number, found demo\n")
    nobody = int(open("/proc/sys/kernel/pid_max").read()) + 1
    gone = run(str(nobody))
    assert gone.returncode == 3 and gone.stderr == f"{name}: there is no process {nobody}\n"
    other = run(str(os.getpid()))
    assert other.returncode == 3 and other.stderr == f"{name}: process {os.getpid()} has no probes of Tiffany\n"


def started_and_interrupted_beside_its_wait(directory, clause):
    """bpftrace with a script, interrupted while it reads a fifo: it notes that, and does not look at it."""
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    script = 'BEGIN { @n = count(); cat("fifo"); } ' + clause
    tracer = subprocess.Popen(
        ["bpftrace", "-e", script], cwd=directory, stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent
    )

    def opened():
        assert tracer.poll() is None
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            return None

    writer = poll(opened, "it reads the fifo")
    tracer.send_signal(signal.SIGINT)
    os.close(writer)
    return tracer


def test_a_ctrl_c_that_bpftrace_does_not_look_at_is_made_up_for(tmp_path):
    tracer = started_and_interrupted_beside_its_wait(tmp_path, "interval:s:3600 { @n = count(); }")
    assert end_bpftrace(tracer, DEADLINE) == 0
    assert "@n: 1\n" in tracer.communicate()[0], "it ended by itself, and printed its maps"


def test_each_script_ends_at_the_first_ctrl_c_also_beside_its_wait(tmp_path):
    clauses = {re.search(r"^interval:.*$", (SCRIPTS / f"{name}.bt").read_text(), re.M)[0] for name in ALL}
    (clause,) = clauses
    tracer = started_and_interrupted_beside_its_wait(tmp_path, clause)
    assert "@n: 1\n" in tracer.communicate(timeout=DEADLINE)[0]
    assert tracer.returncode == 0


# ---- the page ----


def page_commands():
    return [line[4:] for line in PAGE.read_text().splitlines() if re.match(r"    \S", line)]


def test_every_command_of_the_page_works():
    commands = page_commands()
    tried = []
    for line in commands:
        words = shlex.split(line, comments=True)
        if words[0] == "build/release/bin/tiffany-demo":
            assert words[1:] == ["--wait"]  # as in every other step here
        elif words[0] == "bpftrace" or words[0].startswith("tools/bpftrace/"):
            with WaitingDemo("--transitions", 3_000) as demo:
                words = [word.replace("PID", str(demo.pid)) for word in words]
                words = [word.replace("build/release/generated", str(BIN.parent / "generated")) for word in words]
                with Script(words) as script:
                    demo.go()
                    text = script.ended()
            if words[0].endswith("/tasks"):
                assert "Waiting for the process" in text  # nothing lived when it came; attach.py sees what it prints
                continue
            if words[0].endswith("/stalls"):
                assert "Waiting for runs" in text  # nobody watches; stalls.py sees what it prints
                continue
            assert "@" in text, f"{line}: {text}"
            parsed(text)  # each key once: of a name that is one
            tried.append(words[0].rpartition("/")[2])
        elif words[0] == "readelf":
            assert "task__spawned" in checked([*words[:-1], program(words[-1].rpartition("/")[2])]).stdout
        else:
            raise AssertionError(f"no test runs this: {line}")
    assert set(NAMES) < set(tried) and "bpftrace" in tried
