"""Logs as `paltrace` writes them, held against docs/pal.schema.json: both ways, as the schema allows keys that it does
not name."""

import json
import os
import subprocess

import jsonschema
import pytest
from kit import SOURCE, PrivateLttng, program

SCHEMA = json.loads((SOURCE / "docs" / "pal.schema.json").read_text())


def known_keys(record):
    """The keys that the schema names for such a record."""
    keys = set(SCHEMA["properties"])
    for rule in SCHEMA["allOf"]:
        condition = rule["if"]["properties"]
        if all(record.get(name) == wanted["const"] for name, wanted in condition.items()):
            return keys | set(rule["then"].get("properties", {}))
    return None


def faults(records):
    """[(the record, what is wrong with it)]"""
    validator = jsonschema.Draft7Validator(SCHEMA)
    found = []
    for record in records:
        found += [(record, error.message) for error in validator.iter_errors(record)]
        known = known_keys(record)
        if known is None:
            found.append((record, "the schema has no rule for it"))
        elif not known >= set(record):
            found.append((record, f"the schema does not name {set(record) - known}"))
    return found


def converted(directory, *options, command, status):
    done = subprocess.run(
        [str(part) for part in (program("paltrace"), "record", "-o", directory, "--convert", *options, "--", *command)],
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == status, f"exit {done.returncode}, expected {status}\n{done.stdout}\n{done.stderr}"
    return [json.loads(line) for line in (directory / "tiffany.pal").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    command = [program("tiffany-demo"), "--transitions", 3000]
    return converted(tmp_path_factory.mktemp("schema") / "run", "--ticks", command=command, status=0)


def test_a_log_of_the_demo_with_its_ticks_keeps_to_the_schema(whole):
    kinds = {(record["event"], record.get("kind")) for record in whole}
    assert {("Begin", None), ("Tick", "begin"), ("Tick", "end"), ("Worker", "started"), ("End", None)} <= kinds
    assert {event for event, _ in kinds} >= {"Spawned", "Ready", "Running", "IoWait", "Join", "Throttled", "Cancelled"}
    assert faults(whole)[:3] == []


def test_a_log_with_losses_keeps_to_the_schema(tmp_path):
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "run", "--output", tmp_path / "trace")
        # read five times a second and not when they are full: they lose some however quick the reader is
        few = ("--buffers-pid", "--subbuf-size=4096", "--num-subbuf=2", "--read-timer=200000")
        lttng.lttng("enable-channel", "-u", *few, "transitions")
        lttng.lttng("enable-event", "-u", "-c", "transitions", "tiffany:task_*")
        lttng.lttng("start")
        lttng.run([program("tiffany-demo"), "--seconds", "1"])
        lttng.lttng("destroy")
    log = tmp_path / "run.pal"
    done = subprocess.run([program("paltrace"), "convert", tmp_path / "trace", "-o", log], capture_output=True, text=True, timeout=300)
    assert done.returncode == 4, done
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert any(record["event"] == "Gap" for record in records)
    assert records[-1]["event"] == "End" and records[-1]["lost"] > 0
    assert faults(records)[:3] == []


def test_a_log_that_a_process_writes_itself_keeps_to_the_schema(tmp_path):
    settings = {"TIFFANY_LTTNG": "0", "TIFFANY_PAL": "run.pal", "TIFFANY_PAL_MAX": "512K", "TIFFANY_PAL_RING": "16M"}
    command = [program("tiffany-demo"), "--transitions", "4500"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | settings, stdout=subprocess.DEVNULL, timeout=300, check=True)
    older, newer = ([json.loads(line) for line in open(tmp_path / name)] for name in ("run.pal.old", "run.pal"))
    assert "first" in newer[0], "it begins in the middle"
    kinds = [{record["event"] for record in records} for records in (older, newer)]
    assert {"Worker", "Park"} <= kinds[0] | kinds[1]
    for records, kind in zip((older, newer), kinds):
        assert {"Begin", "Running", "End"} <= kind
        assert faults(records)[:3] == []


def test_the_comparison_finds_what_does_not_keep_to_it(whole):
    running = next(record for record in whole if record["event"] == "Running")
    assert faults([running | {"seq": -1}]) and faults([running | {"colour": "red"}])
    assert faults([running | {"event": "Ran"}])
