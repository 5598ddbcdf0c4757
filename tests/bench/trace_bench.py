#!/usr/bin/env python3
"""What reading a recording takes, against babeltrace2 that throws it away: CPU time of all processes, and time on the wall.

    tests/bench/trace_bench.py                 some minutes
    tests/bench/trace_bench.py --trace DIR     that of a trace which is there

One recording of the demo, a million transitions and more, is read by turns: by babeltrace2 with its own sink.utils.dummy; with
sink.tiffany.pal to /dev/null, and to a file; by paltrace convert, stats and check with its own reader and through babeltrace2. First the
answers are compared: both readers' must be the same, the plugin's log too but for the tool's name, and each holds as many transitions as
the demo counted. CPU time is user and system time (wait4); the floor of a file is what the kernel takes for a `write` of the same bytes,
measured beside.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import measure

FLATTERED = "the trace lies in memory; short names"
FLATTERED_WALL = f"{FLATTERED}; a core for each process"
LOST = 4  # exit status: all went well, but the recording lost events


def record(transitions, folder):
    """A recording of so many transitions of the demo, and how many there were."""
    report = folder / "report.json"
    demo = [measure.need("tiffany-demo"), "--transitions", transitions, "--report", report]
    command = [measure.need("paltrace"), "record", "-o", folder / "run", "--", *demo]
    measure.need("libtiffany-lttng.so")
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=measure.DEADLINE, check=False)
    if done.returncode not in (0, LOST):
        sys.exit(f"trace_bench: cannot record: exit {done.returncode}\n{done.stderr}")
    return folder / "run" / "trace", json.loads(report.read_text())["transitions"]


class Reading:
    """One trace, and the commands that read it; each returns how it ended."""

    def __init__(self, trace, folder):
        self._trace = trace
        self._log = folder / "log.pal"
        self._plugin = measure.need("babeltrace-plugin-tiffany.so").parent
        self._paltrace = measure.need("paltrace")

    def dummy(self):
        return measure.run(["babeltrace2", self._trace, "-c", "sink.utils.dummy"])

    def plugin(self, log):
        command = ["babeltrace2", f"--plugin-path={self._plugin}", self._trace, "-c", "sink.tiffany.pal"]
        log.is_file() and log.unlink()
        return measure.run([*command, f'--params=path="{log}"'])

    def paltrace(self, command, reader, *more):
        return measure.run([self._paltrace, command, "--reader", reader, self._trace, *more], good=(0, LOST))

    def convert(self, reader, log):
        log.is_file() and log.unlink()
        return self.paltrace("convert", reader, "-o", log)

    def plain_write(self):
        """The kernel's part of a file: the log, already there, written once more in pieces of 64 KiB."""
        copy = self._log.with_suffix(".copy")
        copy.unlink(missing_ok=True)
        return measure.run(["dd", f"if={self._log}", f"of={copy}", "bs=64k", "status=none"])

    def ways(self):
        null, again = pathlib.Path("/dev/null"), self._log.with_suffix(".again")
        ways = {"Plugin: to /dev/null": lambda: self.plugin(null), "Plugin: to a file": lambda: self.plugin(self._log)}
        for who, reader in (("paltrace", "native"), ("paltrace through babeltrace2", "babeltrace2")):
            ways |= {
                f"{who}: convert to /dev/null": lambda reader=reader: self.convert(reader, null),
                f"{who}: convert to a file": lambda reader=reader: self.convert(reader, again),
                f"{who}: stats": lambda reader=reader: self.paltrace("stats", reader),
                f"{who}: check": lambda reader=reader: self.paltrace("check", reader),
            }
        return ways | {"A copy of the log's bytes": self.plain_write}

    def compare(self, transitions):
        """The same answers, before anything is timed. Returns how many records there are, and how many were lost."""
        self.plugin(self._log)
        theirs = self._log.with_suffix(".babeltrace2")
        again = self._log.with_suffix(".again")
        self.convert("native", again)
        self.convert("babeltrace2", theirs)
        log = again.read_bytes()
        same(log, theirs.read_bytes(), "the readers' logs")
        # but Begin, which names the tool
        same(self._log.read_bytes().partition(b"\n")[2], log.partition(b"\n")[2], "the plugin's log and paltrace's")
        theirs.unlink()
        for command in ("stats", "check"):
            same(*(self.paltrace(command, reader).out for reader in ("native", "babeltrace2")), f"the readers' answers to {command}")
        end = json.loads(log.splitlines()[-1])
        if end["event"] != "End":
            sys.exit(f"trace_bench: the log ends with {end}")
        for what in (again, self._trace):
            checked = measure.run([self._paltrace, "check", what], good=(0, LOST)).out
            found = int(re.search(r"of them transitions: (\d+)", checked).group(1))
            if transitions is not None and end["lost"] == 0 and found != transitions:
                sys.exit(f"trace_bench: {transitions} transitions, in {what} are {found}")
        return end["records"], end["lost"]


def same(one, other, what):
    if not one or one != other:
        sys.exit(f"trace_bench: {what} {'differ' if one or other else 'are empty'}")


def main():
    parser = measure.options(__doc__, rounds=9)
    parser.add_argument("--trace", type=pathlib.Path, metavar="DIR", help="read this one, record none")
    arguments = parser.parse_args()
    rows = measure.Rows()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trace, transitions = arguments.trace, None
        if trace is None:
            trace, transitions = record(20_000 if arguments.quick else 1_500_000, folder)
        reading = Reading(trace, folder)
        records, lost = reading.compare(transitions)
        seen = measure.by_turns({"dummy": reading.dummy, **reading.ways()}, arguments.rounds)
        said = "; some events were lost" if lost else ""
        for kind, suffix, flattered in (("cpu_s", "", FLATTERED), ("wall_s", ", wall", FLATTERED_WALL)):
            each = {way: [getattr(done, kind) * 1e9 / records for done in runs] for way, runs in seen.items()}
            for way in reading.ways():
                rows.add(f"{way} / sink.utils.dummy{suffix}", each[way], each["dummy"], "ns an event", flattered + said)
    rows.write(arguments.json)


if __name__ == "__main__":
    main()
