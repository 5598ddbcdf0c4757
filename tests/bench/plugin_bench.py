#!/usr/bin/env python3
"""What the babeltrace2 plugin adds to babeltrace2: CPU time of a whole conversion.

    tests/bench/plugin_bench.py                two minutes

babeltrace2 reads one recording of the demo, a million transitions and more, by turns: with its own sink.utils.dummy, which throws
every message away; with sink.tiffany.pal to /dev/null; and with it to a file. Both logs must be the same, and hold as many transitions
as the demo counted. CPU time, user and system, of the whole process (wait4); the floor of a file is what the kernel takes for
a `write` of the same bytes, measured beside.
"""

import hashlib
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
        sys.exit(f"plugin_bench: cannot record: exit {done.returncode}\n{done.stderr}")
    return folder / "run" / "trace", json.loads(report.read_text())["transitions"]


class Conversion:
    def __init__(self, trace, output):
        self._trace = trace
        self._output = output
        self._plugin = measure.need("babeltrace-plugin-tiffany.so").parent

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

    def plain_write(self):
        """The kernel's part of a file: the log, already there, written once more in pieces of 64 KiB."""
        copy = self._output.with_suffix(".copy")
        copy.unlink(missing_ok=True)
        return measure.run(["dd", f"if={self._output}", f"of={copy}", "bs=64k", "status=none"]).cpu_s

    def check(self, transitions):
        """The same answers, before anything is timed."""
        self.to_file()
        log = self._output.read_bytes()
        piped = subprocess.run(
            ["babeltrace2", f"--plugin-path={self._plugin}", self._trace, "-c", "sink.tiffany.pal"], capture_output=True, check=True
        )
        assert hashlib.sha256(piped.stdout).digest() == hashlib.sha256(log).digest(), "two conversions differ"
        end = json.loads(log.splitlines()[-1])
        assert end["event"] == "End" and end["lost"] == 0, end
        checked = measure.run([measure.need("paltrace"), "check", self._output]).out
        found = int(re.search(r"of them transitions: (\d+)", checked).group(1))
        assert found == transitions, f"{transitions} transitions, in the log are {found}"
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
            "null": conversion.to_null,
            "file": conversion.to_file,
            "write": conversion.plain_write,
        }
        seen = measure.by_turns(ways, arguments.rounds)
        each = {way: [cpu_s * 1e9 / records for cpu_s in times] for way, times in seen.items()}
        rows.add("Plugin: to /dev/null / sink.utils.dummy", each["null"], each["dummy"], "ns an event", FLATTERED)
        rows.add("Plugin: to a file / sink.utils.dummy", each["file"], each["dummy"], "ns an event", FLATTERED)
        rows.add(
            "Plugin: a copy of the log's bytes / sink.utils.dummy",
            each["write"],
            each["dummy"],
            "ns an event",
            "dd, which also reads; nothing waits for the disk",
        )
    rows.write(arguments.json)


if __name__ == "__main__":
    main()
