"""Makes the golden files of a new version; never touches a folder that is there. README.md says when and how.

python3 tests/golden/make.py v2
"""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from catalogue_kit import ROUNDS, Catalogue  # noqa: E402
from frozen import catalogue_lines, outcome  # noqa: E402
from kit import PrivateLttng, checked, program  # noqa: E402


def record(lttng, directory, command):
    lttng.lttng("create", "golden", f"--output={directory / 'trace'}")
    lttng.lttng("enable-channel", "-u", "--subbuf-size=64K", "--num-subbuf=4", "all")
    for provider in ("tiffany", "tiffany_tick"):
        lttng.lttng("enable-event", "-u", "-c", "all", f"{provider}:*")
    lttng.lttng("start")
    # one CPU: one stream, so that no page is spent on another
    lttng.run(["taskset", "-c", str(min(os.sched_getaffinity(0))), *command])
    lttng.lttng("destroy", "golden")


def store(directory, name):
    """What this version makes of the input, with its exit status."""
    outcomes = {"convert": outcome(directory, "convert", "--ticks", name, "-o", "log.pal")[0]}
    outcomes["check"] = outcome(directory, "check", "log.pal")[0]
    outcomes["stats"], stats = outcome(directory, "stats", "--json", "log.pal")
    (directory / "stats.json").write_text(stats)
    (directory / "status.json").write_text(json.dumps(outcomes) + "\n")


def main(version):
    made = HERE / version
    made.mkdir()  # an error if it is there: what is golden stays
    (made / "catalogue.txt").write_text("".join(f"{line}\n" for line in catalogue_lines(Catalogue())))
    with PrivateLttng(pathlib.Path(os.environ.get("TMPDIR", "/tmp"))) as lttng:
        for name, command in {
            "events": [program("fire_all"), ROUNDS],
            "lives": [program("frozen_hooks")],
        }.items():
            (made / name).mkdir()
            record(lttng, made / name, command)
            store(made / name, "trace")
    own = made / "own"
    own.mkdir()
    # a ring that is too small: the log tells of gaps
    settings = {"TIFFANY_LTTNG": "0", "TIFFANY_PAL": "own.pal", "TIFFANY_PAL_RING": "4K"}
    checked([program("log_itself"), "burst", 3000], cwd=own, env=os.environ | settings, stdin=subprocess.DEVNULL)
    store(own, "own.pal")


if __name__ == "__main__":
    main(sys.argv[1])
