"""Notes: what an application tells of its tasks, picked out by a tracer."""

import json

from kit import PrivateLttng, checked, program

PALTRACE = program("paltrace")


def noted(trace, to):
    checked([PALTRACE, "convert", trace, "-o", to])
    records = [json.loads(line) for line in to.read_text().splitlines()]
    assert {record["event"] for record in records} <= {"Begin", "Note", "End"}, "nothing else was selected"
    return [record for record in records if record["event"] == "Note"]


def test_a_session_takes_the_notes_alone_or_those_of_one_key(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        for session, more in (
            ("all", []),
            ("requests", ["--filter", 'key == "request"']),
            ("others", ["--filter", 'key != "request"']),
        ):
            lttng.lttng("create", session, f"--output={tmp_path / session}")
            lttng.lttng("enable-event", "-u", "tiffany:note", *more)
            lttng.lttng("start", session)
        lttng.run([program("tiffany-demo"), "--transitions", "5000"])
        for session in ("all", "requests", "others"):
            lttng.lttng("destroy", session)
    notes = noted(tmp_path / "all", tmp_path / "all.pal")
    assert len(notes) > 50 and {note["key"] for note in notes} == {"request"}
    same = lambda note: (note["tid"], note["key"], note["value"])
    assert list(map(same, noted(tmp_path / "requests", tmp_path / "requests.pal"))) == list(map(same, notes))
    # a trace without any event of ours is an error, by name
    done = checked(["babeltrace2", tmp_path / "others"])
    assert "tiffany:note" not in done.stdout
