"""Witnesses of one run that must agree to the last event: the PAL log made from LTTng's trace, bpftrace on the probes,
and the program's own count.

bpftrace attaches and detaches probe by probe, so it is there before the program starts and after it ended; the session
is active before the program starts, because `paltrace record` is its parent.
"""

import collections
import json

from catalogue_kit import Catalogue
from kit import Bpftrace, checked, need_bpftrace, private_copy, program

PALTRACE = program("paltrace")


def read_log(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def test_all_witnesses_of_one_run_agree(tmp_path):
    need_bpftrace()
    transitions = [event for event in Catalogue().events if event["transition"]]
    demo = private_copy(program("tiffany-demo"), tmp_path)
    module = private_copy(program("libtiffany-lttng.so"), tmp_path)
    assert module.parent == demo.parent, "the provider is looked for beside the program"

    # arg4 is a transition's first own number: a duration, for those that begin or end a run
    script = "".join(
        f"usdt:{demo}:{Catalogue.probe(event)} {{ @count[\"{event['name']}\"] = count();"
        f" @first[\"{event['name']}\"] = sum(arg4); }}\n"
        for event in transitions
    )
    with Bpftrace(script) as tracer:
        checked(
            [PALTRACE, "record", "-o", tmp_path / "run", "--convert", "--", demo]
            + ["--transitions", "100000", "--report", tmp_path / "own.json"],
            timeout=300,
        )
        by_bpftrace = tracer.stop().maps

    own = json.loads((tmp_path / "own.json").read_text())
    records = read_log(tmp_path / "run" / "tiffany.pal")
    end = records[-1]
    assert end["event"] == "End" and end["lost"] == 0, "nothing lost comes first: else the counts prove nothing"

    names = [event["name"] for event in transitions]
    in_log = collections.Counter(record["event"] for record in records if record["event"] in names)
    assert dict(in_log) == own["events"]
    assert dict(by_bpftrace["@count"]) == own["events"]
    assert sum(in_log.values()) == own["transitions"] >= 100000
    assert all(own["events"][name] > 0 for name in names), "the demo meets every transition"

    # not only as many: the numbers are the same ones
    for event in transitions:
        first = event["fields"][4]
        if first["enumeration"] or first["type"] == "string":
            continue
        total = sum(record.get(first["name"], 0) for record in records if record["event"] == event["name"])
        assert by_bpftrace["@first"].get(event["name"], 0) == total, (event["name"], first["name"])
    checked([PALTRACE, "check", tmp_path / "run" / "tiffany.pal"])
