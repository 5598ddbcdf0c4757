#!/usr/bin/env python3
"""What reading a recording takes, against babeltrace2 that throws it away: CPU time of all processes.

    tests/bench/trace_bench.py                 some minutes

One recording of the demo, a million transitions and more, is read by turns: by babeltrace2 with its own sink.utils.dummy; with
sink.tiffany.pal to /dev/null, and to a file; by paltrace convert to a file, stats and check. The logs must be the same but for the tool's
name, and hold as many transitions as the demo counted. CPU time, user and system (wait4); the floor of a file is what the kernel takes for
a `write` of the same bytes, measured beside.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import measure

FLATTERED = "a trace that lost nothing and lies in memory; short names"


def record(transitions, folder):
    """A recording of so many transitions of the demo, and how many there were."""
    report = folder / "report.json"
    demo = [measure.need("tiffany-demo"), "--transitions", transitions, "--report", report]
    command = [measure.need("paltrace"), "record", "-o", folder / "run", "--", *demo]
    measure.need("libtiffany-lttng.so")
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=measure.DEADLINE, check=False)
    if done.returncode != 0:  # 4: some were lost
        sys.exit(f"trace_bench: cannot record: exit {done.returncode}\n{done.stderr}")
    return folder / "run" / "trace", json.loads(report.read_text())["transitions"]


class Conversion:
    def __init__(self, trace, output):
        self._trace = trace
        self._output = output
        self._plugin = measure.need("babeltrace-plugin-tiffany.so").parent
        self._paltrace = measure.need("paltrace")

    def dummy(self):
        return measure.run(["babeltrace2", self._trace, "-c", "sink.utils.dummy"]).cpu_s

    def _pal(self, path):
        command = ["babeltrace2", f"--plugin-path={self._plugin}", self._trace, "-c", "sink.tiffany.pal"]
        return measure.run([*command, f'--params=path="{path}"']).cpu_s

    def to_null(self):
        return self._pal("/dev/null")

    def to_file(self):
        self._output.unlink(missing_ok=True)
        return self._pal(self._output)

    def convert(self):
        again = self._output.with_suffix(".again")
        again.unlink(missing_ok=True)
        return measure.run([self._paltrace, "convert", self._trace, "-o", again]).cpu_s

    def stats(self):
        return measure.run([self._paltrace, "stats", self._trace]).cpu_s

    def check_trace(self):
        return measure.run([self._paltrace, "check", self._trace]).cpu_s

    def plain_write(self):
        """The kernel's part of a file: the log, already there, written once more in pieces of 64 KiB."""
        copy = self._output.with_suffix(".copy")
        copy.unlink(missing_ok=True)
        return measure.run(["dd", f"if={self._output}", f"of={copy}", "bs=64k", "status=none"]).cpu_s

    def check(self, transitions):
        """The same answers, before anything is timed."""
        self.to_file()
        self.convert()
        log, again = self._output.read_bytes(), self._output.with_suffix(".again").read_bytes()
        # but Begin, which names the tool
        assert log.partition(b"\n")[2] == again.partition(b"\n")[2], "the plugin's log and paltrace's differ"
        end = json.loads(log.splitlines()[-1])
        assert end["event"] == "End" and end["lost"] == 0, end
        for what in (self._output, self._trace):
            checked = measure.run([self._paltrace, "check", what]).out
            found = int(re.search(r"of them transitions: (\d+)", checked).group(1))
            assert found == transitions, f"{transitions} transitions, in {what} are {found}"
        return end["records"]


def main():
    parser = measure.options(__doc__, rounds=9)
    arguments = parser.parse_args()
    rows = measure.Rows()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trace, transitions = record(20_000 if arguments.quick else 1_500_000, folder)
        conversion = Conversion(trace, folder / "log.pal")
        records = conversion.check(transitions)
        ways = {
            "dummy": conversion.dummy,
            "Plugin: to /dev/null": conversion.to_null,
            "Plugin: to a file": conversion.to_file,
            "paltrace: convert to a file": conversion.convert,
            "paltrace: stats": conversion.stats,
            "paltrace: check": conversion.check_trace,
            "A copy of the log's bytes": conversion.plain_write,
        }
        seen = measure.by_turns(ways, arguments.rounds)
        each = {way: [cpu_s * 1e9 / records for cpu_s in times] for way, times in seen.items()}
        for way in list(ways)[1:]:
            rows.add(f"{way} / sink.utils.dummy", each[way], each["dummy"], "ns an event", FLATTERED)
    rows.write(arguments.json)


if __name__ == "__main__":
    main()
