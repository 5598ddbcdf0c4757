"""Writes small CTF 1.8 traces by hand, laid out as lttng-ust 2.13 does it, without LTTng.

    trace = Trace(catalogue())
    channel = trace.channel("transitions", [n for n in trace.events if n.startswith("task_")])
    stream = channel.stream()
    stream.packet([("task_done", ts, {"worker": 1 << 16, "tid": 1, "seq": 1, "step": 1, "run_ns": 5})], discarded=0)
    trace.write(directory)

The catalogue is read from task_events.def, so that a fixture cannot drift from it.
"""

import os
import pathlib
import re
import struct
import uuid as uuids

SOURCE = pathlib.Path(os.environ.get("TIFFANY_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
ORIGIN = 1_790_000_000_000_000_000  # ns from 1970 to the clock's zero

FIELD = re.compile(r'TIFFANY_(WORKER|TID|SEQ|STEP|PID|U8|U16|U32|U64|DURATION|ENUM|STRING)\(([^")]*)')
WIDTH = {"U8": 1, "U16": 2, "U32": 4, "U64": 8, "DURATION": 8}


class Field:
    """kind: a width in bytes, "string", or an enumeration's name."""

    def __init__(self, name, kind):
        self.name = name
        self.kind = kind


def catalogue():
    """{tracepoint: [Field]} of provider tiffany, and {enumeration: {label: number}} under the key None."""
    text = re.sub(r"^//.*$", "", (SOURCE / "tracepoints/task_events.def").read_text(), flags=re.M)
    text = text[text.index("clang-format off"):] if "clang-format off" in text else text
    text = text[text.index("TIFFANY_ENUMERATION(task_state"):]
    events, enums = {}, {}
    for enum, label, number in re.findall(r"TIFFANY_VALUE\((\w+), (\w+), (\d+)\)", text):
        enums.setdefault(enum, {})[label] = int(number)
    for macro, _, verb, body in re.findall(
            r"TIFFANY_(TRANSITION|EVENT)\((\w+), (\w+),(.*?)(?=\n\n|\Z)", text, flags=re.S):
        fields = [Field(n, 8) for n in ("worker", "tid", "seq", "step")] if macro == "TRANSITION" else []
        for kind, arguments in FIELD.findall(body):
            arguments = [a.strip() for a in arguments.split(",")]
            if kind in ("WORKER", "TID", "SEQ", "STEP"):
                fields.append(Field(kind.lower(), 8))
            elif kind == "PID":
                fields.append(Field("pid", 4))
            elif kind == "ENUM":
                fields.append(Field(arguments[0], arguments[1]))
            elif kind == "STRING":
                fields.append(Field(arguments[0], "string"))
            else:
                fields.append(Field(arguments[0], WIDTH[kind]))
        events[("task_" if macro == "TRANSITION" else "") + verb] = fields
    events[None] = enums
    return events


class Stream:
    def __init__(self, channel, cpu):
        self.channel, self.cpu = channel, cpu
        self.packets = []
        self.discarded = 0

    def packet(self, events, discarded=0, begin=None, end=None):
        """events: (tracepoint, ns since the clock's zero, {field: value}); discarded: how many more were by its end"""
        trace = self.channel.trace
        self.discarded = (self.discarded + discarded) % 2**64
        times = [ts for _, ts, _ in events]
        begin = times[0] if begin is None else begin
        end = times[-1] if end is None else end
        body = b"".join(self._event(*event) for event in events)
        size = 84 + len(body)
        self.packets.append(struct.pack(
            "<I16sIQQQQQQQI", 0xC1FC1FC1, trace.uuid.bytes, self.channel.number, self.cpu, begin, end, size * 8,
            size * 8, len(self.packets), self.discarded, self.cpu) + body)

    def _event(self, name, ts, values):
        trace = self.channel.trace
        data = struct.pack("<IQ", trace.numbers[name], ts)
        for field in trace.events[name]:
            value = values.get(field.name, "" if field.kind == "string" else 0)
            if field.kind == "string":
                data += value.encode() + b"\0"
            elif isinstance(field.kind, int):
                data += int(value).to_bytes(field.kind, "little")
            else:
                data += int(trace.enums[field.kind].get(value, value)).to_bytes(1, "little")
        return data

    def write(self, directory):
        name = f"{self.channel.name}_{self.cpu}"
        (directory / name).write_bytes(b"".join(self.packets))


class Channel:
    def __init__(self, trace, number, name, events):
        self.trace, self.number, self.name, self.events = trace, number, name, events
        self.streams = []

    def stream(self):
        self.streams.append(Stream(self, len(self.streams)))
        return self.streams[-1]


class Trace:
    def __init__(self, events, hostname="fixture", pid=4711, provider="tiffany", program="fixture"):
        self.events = dict(events)
        self.enums = self.events.pop(None)
        self.numbers = {name: number for number, name in enumerate(self.events)}
        self.uuid = uuids.UUID("f00dfeed-0000-4000-8000-000000000001")
        self.hostname, self.pid, self.provider = hostname, pid, provider
        self.program = program  # as LTTng does it: not escaped
        self.channels = []

    def channel(self, name="channel0", events=None):
        self.channels.append(Channel(self, len(self.channels), name, list(self.events if events is None else events)))
        return self.channels[-1]

    def _field(self, field):
        if field.kind == "string":
            return f"        string _{field.name};"
        if isinstance(field.kind, int):
            return (f"        integer {{ size = {field.kind * 8}; align = 8; signed = 0; base = 10; "
                    f"encoding = none; }} _{field.name};")
        labels = ", ".join(f'"{label}" = {number}' for label, number in self.enums[field.kind].items())
        return (f"        enum : integer {{ size = 8; align = 8; signed = 0; base = 10; encoding = none; }} "
                f"{{ {labels} }} _{field.name};")

    def metadata_text(self):
        parts = [f"""/* CTF 1.8 */
typealias integer {{ size = 8; align = 8; signed = false; }} := uint8_t;
typealias integer {{ size = 32; align = 8; signed = false; }} := uint32_t;
typealias integer {{ size = 64; align = 8; signed = false; }} := uint64_t;
trace {{
    major = 1;
    minor = 8;
    uuid = "{self.uuid}";
    byte_order = le;
    packet.header := struct {{ uint32_t magic; uint8_t uuid[16]; uint32_t stream_id; uint64_t stream_instance_id; }};
}};
env {{
    domain = "ust";
    hostname = "{self.hostname}";
    tracer_name = "lttng-ust";
    tracer_major = 2;
    tracer_minor = 13;
    trace_name = "fixture";
    vpid = {self.pid};
    procname = "{self.program}";
}};
clock {{ name = "monotonic"; freq = 1000000000; offset_s = {ORIGIN // 10**9}; offset = {ORIGIN % 10**9}; }};
typealias integer {{ size = 64; align = 8; signed = false; map = clock.monotonic.value; }} := uint64_clock_monotonic_t;
struct packet_context {{
    uint64_clock_monotonic_t timestamp_begin;
    uint64_clock_monotonic_t timestamp_end;
    uint64_t content_size;
    uint64_t packet_size;
    uint64_t packet_seq_num;
    unsigned_long_t events_discarded;
    uint32_t cpu_id;
}};
""".replace("unsigned_long_t", "uint64_t")]
        for channel in self.channels:
            parts.append(f"""stream {{
    id = {channel.number};
    event.header := struct {{ uint32_t id; uint64_clock_monotonic_t timestamp; }} align(8);
    packet.context := struct packet_context;
}};
""")
            for name in channel.events:
                fields = "\n".join(self._field(field) for field in self.events[name])
                parts.append(f"""event {{
    name = "{name if ':' in name else self.provider + ':' + name}";
    id = {self.numbers[name]};
    stream_id = {channel.number};
    loglevel = 6;
    fields := struct {{
{fields}
    }};
}};
""")
        return "".join(parts)

    def metadata(self, packet_bytes=4096):
        """The text in packets of LTTng's layout."""
        text, packets = self.metadata_text().encode(), []
        room = packet_bytes - 37
        for at in range(0, len(text), room):
            part = text[at:at + room]
            header = struct.pack("<I16sIIIBBBBB", 0x75D11D57, self.uuid.bytes, 0, (37 + len(part)) * 8,
                                 packet_bytes * 8, 0, 0, 0, 1, 8)
            packets.append(header + part + b"\0" * (room - len(part)))
        return b"".join(packets)

    def write(self, directory):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "metadata").write_bytes(self.metadata())
        for channel in self.channels:
            for stream in channel.streams:
                stream.write(directory)
        return directory


def worker(instance, index=0):
    return instance << 16 | index


def life(instance, tid, seq, step, ts, index=0):
    """Five transitions of a task that runs once, sleeps, and is done: (name, ts, fields)."""
    same = {"worker": worker(instance, index), "tid": tid}
    steps = [("task_spawned", {"state": "Ready", "name": "unit", "site": "a.cpp:1", "priority": 10}),
             ("task_running", {"ready_ns": 7}), ("task_sleep", {"run_ns": 5, "dur_ns": 100}),
             ("task_ready", {"cause": "timer"}), ("task_running", {"ready_ns": 3, "wait_ns": 9, "waited": "sleep"}),
             ("task_done", {"run_ns": 11})]
    return [(name, ts + i * 10, same | fields | {"seq": seq + i, "step": step + i})
            for i, (name, fields) in enumerate(steps)]
