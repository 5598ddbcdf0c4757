"""The catalogue, the metadata of a recording, `lttng list`, the ELF's notes, and what LTTng and bpftrace see of every
event and every field: all the same."""

import json
import re
import subprocess

import pytest
from catalogue_kit import (
    ROUNDS,
    Catalogue,
    check_bpftrace,
    compare_probes,
    compare_recording,
    events_in_metadata,
    expected_metadata,
    metadata_of,
    recorded_events,
)
from kit import DEADLINE, PrivateLttng, checked, need_bpftrace, need_program, poll, private_copy, program


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue()


# An event of numbers is written as a whole where a session asks for nothing else; where it has a filter, LTTng writes it.
SESSIONS = {"all": [], "filtered": ["--filter=$ctx.vpid > 0"], "rejected": ["--filter=$ctx.vpid == 0"]}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Recordings of fire_all, by session, and what `lttng list -u -f` said while it ran."""
    need_program("babeltrace2")
    directory = tmp_path_factory.mktemp("recording")
    with PrivateLttng(directory) as lttng:
        for session, options in SESSIONS.items():
            lttng.lttng("create", session, f"--output={directory / session}")
            for provider in ("tiffany", "tiffany_tick"):
                lttng.lttng("enable-event", "--userspace", f"{provider}:*", f"--session={session}", *options)
            lttng.lttng("start", session)
        fired = lttng.popen([program("fire_all"), ROUNDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert int(fired.stdout.readline()) == ROUNDS * len(Catalogue().events)
        listed = poll(
            lambda: [text for text in [lttng.lttng("list", "-u", "-f").stdout] if "tiffany_tick:end" in text],
            "lttng list shows the events of the program",
        )[0]
        fired.stdin.close()
        assert fired.wait() == 0
        fired.stdout.close()
        for session in SESSIONS:
            lttng.lttng("destroy", session)
    return {session: directory / session for session in SESSIONS}, listed


def test_the_metadata_of_a_recording_declares_the_catalogue(catalogue, recording):
    traces, _ = recording
    metadata = [checked(["babeltrace2", "-o", "ctf-metadata", one]).stdout for one in metadata_of(traces["all"])]
    assert len(metadata) == 1
    declared = events_in_metadata(metadata[0])
    expected = expected_metadata(catalogue)
    assert sorted(declared) == sorted(expected)
    for name, event in expected.items():
        assert declared[name] == event, name


@pytest.mark.parametrize("session", ["all", "filtered"])
def test_lttng_records_every_field_of_every_event_as_fired(catalogue, recording, session):
    traces, _ = recording
    compare_recording(catalogue, traces[session])


def test_lttng_records_nothing_that_a_filter_rejects(recording):
    traces, _ = recording
    assert [event for trace in metadata_of(traces["rejected"]) for event in recorded_events(trace)] == []


def test_lttng_list_names_every_event_and_field(catalogue, recording):
    _, listed = recording
    found = {}
    fields = None
    for line in listed.splitlines():
        event = re.match(r"\s+(tiffany\w*:\w+) \(loglevel: .* \((\d+)\)\) \(type: tracepoint\)", line)
        field = re.match(r"\s+field: (\w+) \((\w+)\)", line)
        if event:
            fields = found.setdefault(event.group(1), [])
        elif field and fields is not None:
            fields.append(field.group(1))
        elif line.strip() and not field:
            fields = None
    # it lists fields in reverse, and no widths
    assert {name: fields[::-1] for name, fields in found.items()} == {
        catalogue.tracepoint(event): [field["name"] for field in event["fields"]] for event in catalogue.events
    }


def test_the_elf_has_exactly_one_usable_site_for_every_probe(catalogue):
    compare_probes(catalogue, program("fire_all"))


def test_bpftrace_sees_every_argument_and_field_of_every_event_as_fired(catalogue, tmp_path):
    need_bpftrace()
    copied = private_copy(program("fire_all"), tmp_path)
    check_bpftrace(catalogue, copied, copied)


def test_paltrace_reads_every_own_field_of_every_event_as_fired(catalogue, recording):
    traces, _ = recording
    done = subprocess.run(
        [program("paltrace"), "convert", traces["all"], "-o", "-"], capture_output=True, text=True, check=False, timeout=DEADLINE
    )
    seen = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        seen.setdefault((record["event"], record.get("kind", "")), []).append(record)
    for event in catalogue.events:
        records = seen.get((event["record"], event["kind"]), [])
        if event["provider"] == "tiffany_tick" and not records:
            continue  # ticks go into a log when they are asked for
        assert len(records) == ROUNDS, f"{event['name']}: {len(records)} records\n{done.stderr}"
        for record in records:
            # the order of a log is that of its times; the worker tells the round
            worker = int(record["instance"], 16) << 16 | record["worker"]
            rounds = [n for n in range(ROUNDS) if catalogue.values(event, n)["worker"] == worker]
            assert len(rounds) == 1, record
            for field in event["fields"]:
                if not field["own"]:
                    continue
                expected = catalogue.values(event, rounds[0])[field["name"]]
                if field["enumeration"]:
                    labels = {number: label for label, number in catalogue.sets[field["enumeration"]].items()}
                    expected = labels[expected]
                assert record[field["name"]] == expected, f"{event['name']}.{field['name']}: {record}"
