"""What is frozen (docs/adr/0017-what-is-frozen.md): every golden version of the formats is read as it was read then, and
the catalogue has grown only where readers expect it."""

import json
import os
import re
import subprocess

import jsonschema
import pytest
from catalogue_kit import Catalogue
from kit import DEADLINE, SOURCE, checked, need_program, program

GOLDEN = SOURCE / "tests" / "golden"
VERSIONS = sorted(path for path in GOLDEN.glob("v*") if path.is_dir())
CASES = sorted(path for version in VERSIONS for path in version.iterdir() if path.is_dir())
TRACES = [case for case in CASES if (case / "trace").is_dir()]
LOGS = sorted(log for case in CASES for log in case.glob("*.pal"))


def named(path):
    return str(path.relative_to(GOLDEN))


def outcome(directory, *arguments):
    """(exit status, stdout) of a paltrace command."""
    done = subprocess.run(
        [str(program("paltrace")), *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout


def without_tool(log):
    """`tool` of Begin names the version that wrote the log: the one thing that a later version writes otherwise."""
    first, rest = log.split("\n", 1)
    first, replaced = re.subn(r'"tool":"[^"]*"', '"tool":""', first)
    assert replaced == 1, first
    return first + "\n" + rest


def status(case):
    return json.loads((case / "status.json").read_text())


# ---- the formats ----


def test_there_is_a_golden_version_of_everything():
    assert GOLDEN / "v1" in VERSIONS
    for version in VERSIONS:
        assert {case.name for case in CASES if case.parent == version} == {"events", "lives", "own"}
        assert (version / "catalogue.txt").exists()


@pytest.mark.parametrize("case", CASES, ids=named)
def test_convert_writes_the_stored_log_to_the_byte(case, tmp_path):
    source = "trace" if case in TRACES else "own.pal"
    code, _ = outcome(case, "convert", "--ticks", source, "-o", str(tmp_path / "log.pal"))
    assert code == status(case)["convert"]
    stored = (case / "log.pal").read_text()
    assert without_tool((tmp_path / "log.pal").read_text()).splitlines() == without_tool(stored).splitlines()


@pytest.mark.parametrize("case", CASES, ids=named)
def test_check_and_stats_say_of_the_stored_log_what_they_said(case):
    assert outcome(case, "check", "log.pal")[0] == status(case)["check"]
    code, printed = outcome(case, "stats", "--json", "log.pal")
    assert code == status(case)["stats"]
    assert json.loads(printed) == json.loads((case / "stats.json").read_text())


@pytest.mark.parametrize("version", VERSIONS, ids=named)
def test_check_finds_the_lawful_lives_good(version):
    code, printed = outcome(version / "lives", "check", "log.pal")
    assert code == 0 and printed.splitlines()[-1] == "good", printed


@pytest.mark.parametrize("log", [case / "log.pal" for case in CASES], ids=named)
def test_the_reader_takes_every_record_of_a_stored_log(log, tmp_path):
    """A log that convert wrote, read and written again, is the same: no key was passed over. (A process's own log need
    not be: what its last Gap tells becomes the `tail` of End.)"""
    outcome(log.parent, "convert", "--ticks", log.name, "-o", str(tmp_path / "again.pal"))
    read = [json.loads(line) for line in (tmp_path / "again.pal").read_text().splitlines()]
    stored = [json.loads(line) for line in log.read_text().splitlines()]
    assert read[1:] == stored[1:]


@pytest.mark.parametrize("log", LOGS, ids=named)
def test_the_schema_accepts_a_stored_log(log):
    validator = jsonschema.Draft7Validator(json.loads((SOURCE / "docs" / "pal.schema.json").read_text()))
    for line in log.read_text().splitlines():
        assert [error.message for error in validator.iter_errors(json.loads(line))] == [], line


@pytest.mark.parametrize("case", TRACES, ids=named)
def test_babeltrace2_reads_a_stored_trace_with_the_plugin(case):
    need_program("babeltrace2")
    plugin = program("babeltrace-plugin-tiffany.so")
    command = ["babeltrace2", f"--plugin-path={plugin.parent}", "trace", "-c", "sink.tiffany.pal"]
    printed = checked([*command, '--params=path="-",ticks=true'], cwd=case).stdout
    records = [json.loads(line) for line in printed.splitlines()]
    stored = [json.loads(line) for line in (case / "log.pal").read_text().splitlines()]
    assert records[1:] == stored[1:]


@pytest.mark.parametrize("version", VERSIONS, ids=named)
def test_the_golden_events_have_every_event_and_every_value(version):
    seen, values = set(), {}
    fields = {}
    enumerations = {}
    for line in (version / "catalogue.txt").read_text().splitlines():
        words = line.split()
        if words[0] == "event":
            current = (words[5], "" if words[6] == "-" else words[6])
            fields[current] = {}
        elif words[0] == "field" and words[2] == "enumeration":
            fields[current][words[1]] = words[4]
        elif words[0] == "value":
            enumerations.setdefault(words[1], set()).add(words[2])
    for line in (version / "events" / "log.pal").read_text().splitlines():
        record = json.loads(line)
        key = (record["event"], record.get("kind", ""))
        seen.add(key)
        for name, enumeration in fields.get(key, {}).items():
            values.setdefault(enumeration, set()).add(record[name])
    assert seen >= set(fields)
    assert values == enumerations


# ---- the hooks ----

HOOKS = SOURCE / "tests" / "integration" / "programs" / "frozen_hooks.cpp"
HEADERS = SOURCE / "src" / "tiffany" / "telemetry"


def public_headers():
    """What a runtime includes, and what that includes of the same folder."""
    found, wanted = {}, ["hooks.hpp", "configure.hpp", "sink.hpp"]
    while wanted:
        name = wanted.pop()
        if name not in found and (HEADERS / name).exists():  # config.hpp is generated, and has a macro alone
            found[name] = (HEADERS / name).read_text()
            wanted += re.findall(r"#include <tiffany/telemetry/(\w+\.hpp)>", found[name])
    return found


def public_names(header):
    """Functions, fields and values, where clang-format puts them: in a namespace, or one level down in a class."""
    text = re.sub(r" *//.*", "", header)
    text = re.sub(r"^  (?:private|protected):.*?^};$", "", text, flags=re.M | re.S)
    skipped = "return|switch|using|friend|namespace|class|struct|static_assert"
    declarations = re.findall(rf"^(?:    )?(?!{skipped})([a-zA-Z\[].*)$", text, re.M)
    function, value = re.compile(r"\b(\w+)\("), re.compile(r"\b(\w+)(?: = [^;]*|\{[^;]*\})?[;,]$")
    found = {match.group(1) for line in declarations if (match := function.search(line) or value.search(line))}
    return {name for name in found if name[0].islower()} - {"delete", "noexcept"}  # the others are constructors


def test_the_program_of_the_hooks_uses_each_of_them():
    program_text = re.sub(r"//.*", "", HOOKS.read_text())
    names = {name: public_names(text) for name, text in public_headers().items()}
    assert {"worker.hpp", "settings.hpp", "sink_options.hpp", "metrics_snapshot.hpp"} <= set(names)
    assert {"spawned", "longest_park_ns"} <= names["worker.hpp"] and "pal_ring_bytes" in names["settings.hpp"]
    unused = [
        f"{header}: {name}"
        for header, found in names.items()
        for name in sorted(found)
        if not re.search(rf"\b{name}\b", program_text)
    ]
    assert unused == [], "frozen_hooks.cpp is to use all that is public"


def test_the_program_of_the_hooks_lives_lawful_lives(tmp_path):
    log = tmp_path / "lives.pal"
    checked([program("frozen_hooks")], env=os.environ | {"TIFFANY_LTTNG": "0", "TIFFANY_PAL": str(log)})
    code, printed = outcome(tmp_path, "check", log.name)
    assert code == 0 and printed.splitlines()[-1] == "good", printed
    fired = {json.loads(line)["event"] for line in log.read_text().splitlines()}
    assert fired >= {event["name"] for event in Catalogue().events if event["transition"]}
    assert checked([program("frozen_hooks_stripped")]).stdout == ""


# ---- the catalogue ----

ADVICE = "frozen, docs/adr/0017-what-is-frozen.md: "


def catalogue_lines(catalogue):
    """One line for each thing that a reader relies on, in the catalogue's order."""
    lines = []
    for name, values in catalogue.sets.items():
        lines += [f"value {name} {label} {number}" for label, number in values.items()]
    for event in catalogue.events:
        lines.append(
            f"event {event['name']} {event['id']} {catalogue.tracepoint(event)} {catalogue.probe(event)}"
            f" {event['record']} {event['kind'] or '-'} {event['level']}"
            f" {','.join(event['from']) or '-'} {','.join(event['to']) or '-'}"
        )
        lines += [
            f"field {field['name']} {field['type']} {field['bytes']} {field['enumeration'] or '-'} {field['offset']}"
            for field in event["fields"]
        ]
    return lines


def blocks(lines):
    """{the name of an event, or of a closed set: its lines}"""
    found = {}
    for line in lines:
        kind, name = line.split()[:2]
        key = current if kind == "field" else f"{'event' if kind == 'event' else 'closed set'} {name}"
        current = key
        found.setdefault(key, []).append(line)
    return found


def changes(stored, now):
    """What is no addition, each with what to do instead. New events, new sets and additions at an end are fine."""
    faults = []
    present = blocks(now)
    for key, old in blocks(stored).items():
        new = present.get(key, [])
        if not new:
            faults.append(f"{key} is gone; {ADVICE}leave it, and fire a new event beside it")
        for index, line in enumerate(old if new else []):
            if index < len(new) and new[index] == line:
                continue
            instead = (
                "new values go last, with numbers of their own"
                if key.startswith("closed set")
                else "new fields go last; a new meaning is a new event"
            )
            found = new[index] if index < len(new) else "nothing"
            faults.append(f"{key}: expected '{line}', found '{found}'; {ADVICE}{instead}")
    return faults


@pytest.mark.parametrize("version", VERSIONS, ids=named)
def test_the_catalogue_has_only_grown_where_readers_expect_it(version):
    stored = (version / "catalogue.txt").read_text().splitlines()
    assert stored
    faults = changes(stored, catalogue_lines(Catalogue()))
    assert not faults, "\n".join(faults)


def test_the_comparison_tells_growth_from_change():
    old = ["value s a 0", "value s b 1", "event E 0 t:e p - INFO - -", "field x u64 8 - 0", "field y u64 8 - 8"]
    grown = [*old[:2], "value s c 2", *old[2:], "field z u8 1 - 16", "event F 1 t:f p - INFO - -"]
    assert changes(old, grown) == []
    assert "event E: expected 'field x" in changes(old, [*old[:3], old[4], old[3]])[0]
    assert "closed set s: expected 'value s b 1'" in changes(old, [old[0], "value s b 2", *old[2:]])[0]
    assert "event E is gone" in changes(old, old[:2])[0]
    assert len(changes(old, old[:-1])) == 1
