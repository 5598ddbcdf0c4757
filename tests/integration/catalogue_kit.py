"""The catalogue as tests see it: what fire_all fires, and what LTTng, bpftrace and readelf say of it."""

import json
import pathlib
import re
import subprocess

from kit import Bpftrace, checked, program

ROUNDS = 10  # more than the values of any closed set, so that each is fired

LOG_LEVELS = {"WARNING": 4, "INFO": 6, "DEBUG_FUNCTION": 12}  # LTTng's numbers, lttng/ust-events.h


class Catalogue:
    """What task_events.def declares, by the program that makes the other products from it too."""

    def __init__(self, generator=None):
        self._json = json.loads(checked([generator or program("tiffany-catalogue"), "json"]).stdout)
        self.events = self._json["events"]
        self.sets = self._json["enumerations"]

    @staticmethod
    def tracepoint(event):
        return f"{event['provider']}:{event['tracepoint']}"

    @staticmethod
    def probe(event):
        return f"{event['provider']}:{event['probe']}"

    def value(self, event, index, round_):
        """What fire_all puts into a field: the formulas of programs/fire_all.cpp."""
        field = event["fields"][index]
        if field["type"] == "string":
            return self._text(event, field, round_)
        if field["enumeration"]:
            numbers = list(self.sets[field["enumeration"]].values())
            return numbers[(round_ + index) % len(numbers)]
        identity = event["id"]
        mixed = identity << 56 | index << 48 | round_ << 32 | identity << 16 | index << 8 | round_
        return (0xF1E2D3C4B5A69788 ^ mixed) & ((1 << 8 * field["bytes"]) - 1)

    @staticmethod
    def _text(event, field, round_):
        if round_ == 1:
            return ""
        longest = field["bytes"] - 1
        text = f"{event['name']}.{field['name']} {round_} ä".encode()[:longest]
        if round_ == 0:
            text = text.ljust(longest, b"=")[:-1] + b"!"
        return text.decode()

    def values(self, event, round_):
        return {field["name"]: self.value(event, i, round_) for i, field in enumerate(event["fields"])}

    def arguments(self, event, round_):
        """The probe's first five arguments: numbers only, 0 where there are no more."""
        numbers = [
            self.value(event, i, round_) for i, field in enumerate(event["fields"]) if field["type"] != "string"
        ]
        return (numbers + [0] * 5)[:5]


# ---- LTTng ----


def metadata_of(trace):
    """The directories of a recording that babeltrace2 takes as traces."""
    return sorted(path.parent for path in pathlib.Path(trace).rglob("metadata"))


def events_in_metadata(text):
    """{"tiffany:task_done": {"loglevel": 6, "fields": [("run_ns", 8 or "string" or {label: number})...]}}"""
    events = {}
    for block in re.findall(r"\nevent \{\n(.*?)\n\};", text, re.S):
        name = re.search(r'name = "(.*?)";', block).group(1)
        level = int(re.search(r"loglevel = (\d+);", block).group(1))
        fields = []
        pattern = (
            r"integer \{ size = (?P<bits>\d+);[^}]*signed = (?P<signed>\d)[^}]*\} _(?P<integer>\w+);"
            r"|string _(?P<string>\w+);"
            r"|enum : integer \{ size = (?P<set_bits>\d+);[^}]*\} \{(?P<labels>[^}]*)\} _(?P<set>\w+);"
        )
        body = block[block.index("fields := struct {") :]
        for found in re.finditer(pattern, body):
            if found["integer"]:
                assert found["signed"] == "0", f"{name}.{found['integer']} is signed"
                fields.append((found["integer"], int(found["bits"]) // 8))
            elif found["string"]:
                fields.append((found["string"], "string"))
            else:
                assert found["set_bits"] == "8", f"{name}.{found['set']} is no u8"
                labels = re.findall(r'"(\w+)" = (\d+)', found["labels"])
                fields.append((found["set"], {label: int(number) for label, number in labels}))
        events[name] = {"loglevel": level, "fields": fields}
    return events


def expected_metadata(catalogue):
    events = {}
    for event in catalogue.events:
        fields = []
        for field in event["fields"]:
            if field["type"] == "string":
                fields.append((field["name"], "string"))
            elif field["enumeration"]:
                fields.append((field["name"], catalogue.sets[field["enumeration"]]))
            else:
                fields.append((field["name"], field["bytes"]))
        events[catalogue.tracepoint(event)] = {"loglevel": LOG_LEVELS[event["level"]], "fields": fields}
    return events


_FIELD = re.compile(r'(\w+) = (?:\( "(\w+)" : container = (\d+) \)|"([^"]*)"|(\d+))')


def recorded_events(trace):
    """What babeltrace2 prints of a recording: [("tiffany:task_done", {field: value; of a closed set: (label, number)})]"""
    recorded = []
    for line in checked(["babeltrace2", "--no-delta", trace]).stdout.splitlines():
        name = re.search(r"(tiffany\w*:\w+): ", line).group(1)
        values = {}
        for field, label, number, text, integer in _FIELD.findall(line[line.rindex("}, {") :]):
            values[field] = (label, int(number)) if label else int(integer) if integer else text
        recorded.append((name, values))
    return recorded


def compare_recording(catalogue, trace, rounds=ROUNDS):
    """Every event, every field, every value: as fired."""
    by_name = {}
    for name, values in recorded_events(trace):
        by_name.setdefault(name, []).append(values)
    assert sorted(by_name) == sorted(map(catalogue.tracepoint, catalogue.events))
    for event in catalogue.events:
        name = catalogue.tracepoint(event)
        assert len(by_name[name]) == rounds, f"{name}: recorded {len(by_name[name])} of {rounds}"
        for round_, seen in enumerate(by_name[name]):
            expected = catalogue.values(event, round_)
            for field in event["fields"]:
                if field["enumeration"]:
                    number = expected[field["name"]]
                    labels = {value: label for label, value in catalogue.sets[field["enumeration"]].items()}
                    expected[field["name"]] = (labels[number], number)
                if expected[field["name"]] == "":
                    # babeltrace2 2.0.4 prints an empty string as the one before it; its length is right, and the
                    # decoder's tests look at that
                    del expected[field["name"]], seen[field["name"]]
            assert seen == expected, f"{name}, round {round_}"


# ---- bpftrace ----


def bpftrace_script(catalogue, path, whole=True):
    """Prints, for each event that a process of `path` fires, its probe's arguments and (whole) its struct's fields."""
    clauses = []

    def clause(event, part, values):
        clauses.append(
            f"usdt:{path}:{catalogue.probe(event)} {{\n"
            f"  $e = (struct {event['struct']} *)arg5;\n"
            f'  printf("{event["name"]} {part}{"".join("|" + form for form, _ in values)}\\n"'
            f"{''.join(', ' + value for _, value in values)});\n"
            "}\n"
        )

    for event in catalogue.events:
        clause(event, "arguments", [("%lu", f"arg{i}") for i in range(5)])
        if not whole:
            continue
        clause(event, "numbers", [("%lu", f"$e->{name}") for name in _names(event, strings=False)])
        # each string by itself: the longest fills bpftrace's stack
        for name in _names(event, strings=True):
            clause(event, name, [("%s", f"$e->{name}")])
    return "".join(clauses)


def _names(event, strings):
    return [field["name"] for field in event["fields"] if (field["type"] == "string") == strings]


def expected_from_bpftrace(catalogue, rounds=ROUNDS, whole=True):
    """The lines that the script prints."""
    expected = []
    for event in catalogue.events:
        for round_ in range(rounds):
            fields = catalogue.values(event, round_)
            lines = {"arguments": catalogue.arguments(event, round_)}
            if whole:
                lines["numbers"] = [fields[name] for name in _names(event, strings=False)]
                lines.update({name: [fields[name]] for name in _names(event, strings=True)})
            expected += [f"{event['name']} {part}|{'|'.join(map(str, values))}" for part, values in lines.items()]
    return expected


def check_bpftrace(catalogue, fire_all, library, rounds=ROUNDS, whole=True):
    """Runs fire_all under bpftrace: every event, every argument, every field of the struct is seen as fired.

    `library`: the ELF that holds the probes.
    """
    expected = expected_from_bpftrace(catalogue, rounds, whole)
    with Bpftrace(bpftrace_script(catalogue, library, whole), include=[bpf_header()]) as tracer:
        checked([fire_all, rounds], env={"TIFFANY_LTTNG": "0"}, stdin=subprocess.DEVNULL)
        tracer.wait_for_printed(len(expected))
        seen = tracer.stop().printed.splitlines()
    missing = [line for line in expected if line not in seen]
    unexpected = [line for line in seen if line not in expected]
    # lines of two CPUs may come out of order
    assert sorted(seen) == sorted(expected), f"missing {missing[:5]}, unexpected {unexpected[:5]}"


def bpf_header():
    """tiffany_bpf.h, as the build made it."""
    return program("tiffany-catalogue").parent.parent / "generated" / "tiffany" / "tracepoints" / "tiffany_bpf.h"


# ---- the ELF ----

PAGE = 4096  # bytes; the kernel finds a semaphore by its place in the file, and takes the first writable page it is mapped to
_NOTE = re.compile(
    r"Provider: (?P<provider>\S+)\s+Name: (?P<name>\S+)\s+"
    r"Location: (?P<location>0x[0-9a-f]+), Base: (?P<base>0x[0-9a-f]+), Semaphore: (?P<semaphore>0x[0-9a-f]+)\s+"
    r"Arguments:(?P<arguments>[^\n]*)"
)
# an unsigned or signed register, a constant, or memory at a register: what bpftrace 0.17 can read
_OPERAND = re.compile(r"-?[1248]@(?:%\w+|\$-?\d+|-?\d*\(%\w+\))")


def probe_notes(elf):
    """What the notes of an ELF say of our probes' sites."""
    notes = [found.groupdict() for found in _NOTE.finditer(checked(["readelf", "--notes", "--wide", elf]).stdout)]
    return [note for note in notes if note["provider"].startswith("tiffany")]


def compare_probes(catalogue, elf):
    """The notes of an ELF are exactly the catalogue's probes, each once, in a form that tracers can use."""
    notes = probe_notes(elf)
    sites = sorted(f"{note['provider']}:{note['name']}" for note in notes)
    assert sites == sorted(map(catalogue.probe, catalogue.events)), f"{elf}: not one site for each probe"
    for note in notes:
        what = f"{elf}: {note['provider']}:{note['name']}: {note}"
        assert int(note["location"], 16) != 0 and int(note["base"], 16) != 0 and int(note["semaphore"], 16) != 0, what
        operands = note["arguments"].split()
        assert len(operands) == 6, what
        for operand in operands:
            assert _OPERAND.fullmatch(operand), f"{what}: bpftrace cannot read {operand}"
            assert "@%st" not in operand and "f@" not in operand, what
    semaphores = {}
    for note in notes:
        semaphores.setdefault(note["provider"], set()).add(note["semaphore"])
    # one variable for all probes of a provider
    assert {provider: len(found) for provider, found in semaphores.items()} == {"tiffany": 1, "tiffany_tick": 1}
    writable = _writable_segments(elf)
    for found in semaphores.values():
        (address,) = (int(one, 16) for one in found)
        (place,) = (at - start + address for at, start, size in writable if start <= address < start + size)
        pages = [at for at, _, size in writable if at // PAGE <= place // PAGE <= (at + size - 1) // PAGE]
        assert len(pages) == 1, f"{elf}: the page of the semaphore at {address:#x} is mapped {len(pages)} times"


def _writable_segments(elf):
    """[(place in the file, address, bytes of the file)] of what is loaded where it can be written to."""
    lines = checked(["readelf", "--segments", "--wide", elf]).stdout
    found = re.findall(r"^  LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+) 0x\w+ R ?W", lines, re.M)
    return [tuple(int(number, 16) for number in numbers) for numbers in found]
