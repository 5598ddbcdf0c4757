"""First inputs of fuzz_native_reader: traces that are plain, each with few events, so that a change of any byte matters.

The golden trace in pieces (the large header of events), and the same pieces by hand in the other headers, with contexts, with fields
that nobody keeps, with a discarded count and a packet that is missing, and in several streams.
"""

import pathlib
import re
import struct
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "integration"))
from ctf_writer import catalogue  # noqa: E402

MAGIC = 0xC1FC1FC1
HEADER = 84  # bytes of a packet's header and context
CATALOGUE = catalogue()
TICKS = {"begin": 17, "end": 25}  # bytes: the ticks' provider is another one
CONTEXT = """\tevent.context := struct {
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 10; } _vtid;
		integer { size = 8; align = 8; signed = 0; encoding = UTF8; base = 10; } _procname[17];
	};
"""
OTHERS = """event {
	name = "else:thing";
	id = 40;
	stream_id = 0;
	loglevel = 13;
	fields := struct {
		floating_point { exp_dig = 8; mant_dig = 24; byte_order = le; align = 8; } _share;
		integer { size = 32; align = 8; signed = 0; encoding = none; base = 10; } __list_length;
		integer { size = 16; align = 8; signed = 0; encoding = none; base = 10; } _list[ __list_length ];
		integer { size = 16; align = 16; signed = 1; encoding = none; base = 10; byte_order = be; } _port;
		string _text;
	};
};
"""


def text_of(metadata):
    """Out of its packets."""
    at, text = 0, b""
    while at < len(metadata):
        content, packet = struct.unpack_from("<II", metadata, at + 24)
        text += metadata[at + 37 : at + content // 8]
        at += packet // 8
    return text.decode()


def width(name, body):
    """Bytes of the payload that `body` begins with."""
    if name in TICKS:
        return TICKS[name]
    at = 0
    for field in CATALOGUE[name]:
        if field.kind == "string":
            at = body.index(0, at) + 1
        else:
            at += field.kind if isinstance(field.kind, int) else 1
    return at


class Golden:
    """A trace of tests/golden, taken apart: the declarations, and (event's number, time, payload) of each event."""

    def __init__(self, directory):
        self.preamble, *blocks = re.split(r"(?=^event \{)", text_of((directory / "metadata").read_bytes()), flags=re.M)
        self.blocks = {int(re.search(r"id = (\d+);", block)[1]): block for block in blocks}
        self.names = {number: re.search(r'name = "tiffany(?:_tick)?:(\w+)"', block)[1] for number, block in self.blocks.items()}
        self.stream = (directory / "all_0").read_bytes()
        self.uuid = self.stream[4:20]
        self.begin, self.end, bits = struct.unpack_from("<3Q", self.stream, 32)
        self.events = []
        at, time = HEADER, self.begin
        while at < bits // 8:
            number, low = struct.unpack_from("<HI", self.stream, at)
            at += 6
            if number == 65535:
                number, time = struct.unpack_from("<IQ", self.stream, at - 4)
                at += 8
            else:
                time += (low - time) % 2**32
            size = width(self.names[number], self.stream[at : bits // 8])
            self.events.append((number, time, self.stream[at : at + size]))
            at += size

    def metadata(self, numbers, header="large", context="", others=""):
        """What these events need, with no blank too much: the shorter it is, the more of its changes are to something else."""
        text = self.preamble.replace("struct event_header_large;", f"struct event_header_{header};")
        for kind in {"large", "compact"} - {header}:
            text = re.sub(rf"^struct event_header_{kind} \{{.*?^\}} align\(8\);\n", "", text, flags=re.M | re.S)
        text = text.replace("struct event_header_flat;", "struct { uint32_t id; uint64_clock_monotonic_t timestamp; } align(8);")
        text = text.replace("packet.context := struct packet_context;\n", "packet.context := struct packet_context;\n" + context)
        text += "".join(self.blocks[number] for number in sorted(numbers)) + others
        begin, rest = text.split("\n", 1)
        return (begin + "\n" + re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", rest))).encode()

    def whole_metadata(self):
        return (self.preamble + "".join(self.blocks.values())).encode()

    def packet(self, events, header="large", context=b"", number=0, discarded=0, instance=0, stream=0):
        body = b"".join(HEADERS[header](which, time) + context + payload for which, time, payload in events)
        bits = (HEADER + len(body)) * 8
        begin, end = (events[0][1], events[-1][1]) if events else (self.begin, self.begin)
        return struct.pack("<I16sIQQQQQQQI", MAGIC, self.uuid, stream, instance, begin, end, bits, bits, number, discarded, 0) + body


HEADERS = {
    "large": lambda number, time: struct.pack("<HI", number, time % 2**32),
    "large extended": lambda number, time: struct.pack("<HIQ", 65535, number, time),
    "compact": lambda number, time: struct.pack("<I", (time % 2**27) << 5 | number),
    "compact extended": lambda number, time: struct.pack("<BIQ", 31, number, time),
    "flat": lambda number, time: struct.pack("<IQ", number, time),
}


def other(time, length=2):
    """An event with a float, a sequence of two, a number in the other byte order, and a text."""
    body = struct.pack("<fI2H", 0.5, length, 7, 8)
    return 40, time, body + struct.pack(">h", -3) + b"not ours\0"


def native_reader():
    """(name, parts): the metadata's text, the first stream's index, three streams"""
    for case in ("events", "lives"):
        golden = Golden(TESTS / "golden/v1" / case / "trace/ust/uid/0/64-bit")
        events = golden.events
        for at in range(0, len(events), 5 if case == "lives" else 30):
            piece = events[at : at + 5]
            numbers = {number for number, _, _ in piece}
            header = ("large", "compact", "flat")[at // 5 % 3]
            yield f"{case}-{at}", (golden.metadata(numbers, header), b"", golden.packet(piece, header))
        piece = events[:4]
        numbers = {number for number, _, _ in piece}
        for header in ("large extended", "compact extended"):
            yield f"{case}-{header}".replace(" ", "-"), (golden.metadata(numbers, header.split()[0]), b"", golden.packet(piece, header))
        yield f"{case}-context", (
            golden.metadata(numbers, context=CONTEXT), b"",
            golden.packet(piece, context=struct.pack("<i17s", 7, b"demo")),
        )
        late = piece[-1][1]
        for name, length in (("others", 2), ("others-too-long", 9)):
            last = other(late, length)
            yield f"{case}-{name}", (golden.metadata(numbers, "flat", others=OTHERS), b"", golden.packet([*piece, last], "flat"))
        packets = [golden.packet(piece[:2]), golden.packet(piece[2:], number=3, discarded=9)]
        index = struct.pack(">4I", 0xC1F1DCC1, 1, 1, 96)
        entries = [packet_index(packet, sum(map(len, packets[:i]))) for i, packet in enumerate(packets)]
        yield f"{case}-lost", (golden.metadata(numbers), index + b"".join(entries), b"".join(packets))
        yield f"{case}-streams", (
            golden.metadata(numbers), b"",
            golden.packet(piece[::2]), golden.packet(piece[1::2], instance=1), golden.packet([], instance=2),
        )
        yield f"{case}-files", (golden.metadata(numbers), b"", packets[1], packets[0])
        yield f"{case}-whole", (golden.whole_metadata(), b"", golden.packet(events[:8]))


ODD = {  # what is not as LTTng writes it, and babeltrace2 reads: (is replaced, by)
    "no-clock": ("map = clock.monotonic.value;", ""),
    "no-times-of-packets": ("timestamp_", "stamp_"),
    "no-discarded": ("events_discarded", "events_lost"),
    "no-packet-numbers": ("packet_seq_num", "packet_number"),
    "no-ends": ("timestamp_end", "stamp_end"),
    "other-order": ("byte_order = le;", "byte_order = be;"),
    "no-event-of-ours": ("tiffany:", "tiffanys:"),
    "no-worker": ("_worker;", "_walker;"),
    "signed": ("integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; }", "integer { size = 64; align = 8; signed = 1; }"),
    "text": ("integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } _tid;", "string _tid;"),
    "enumeration": ("integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } _seq;", "enum : uint64_t { one = 1 ... 9 } _seq;"),
    "clock-before-1970": ("offset = ", "offset = -"),
    "slow-clock": ("freq = 1000000000;", "freq = 1000;"),
}


def babeltrace2_reader():
    """As native_reader, and not plain: what those give to babeltrace2 needs no second copy."""
    golden = Golden(TESTS / "golden/v1/lives/trace/ust/uid/0/64-bit")
    piece = golden.events[:4]
    metadata = golden.metadata({number for number, _, _ in piece})
    streams = golden.packet(piece[:2]) + golden.packet(piece[2:], number=3, discarded=9), golden.packet([], instance=2)
    for name, (old, new) in ODD.items():
        odd = metadata.replace(old.encode(), new.encode())
        assert odd != metadata, name
        yield name, (odd, b"", *streams)
    cut = bytearray(golden.packet(piece)[:-1])
    struct.pack_into("<2Q", cut, 48, 8 * len(cut), 8 * len(cut))
    yield "bad-stream", (metadata, b"", golden.packet(piece[:1], instance=1), bytes(cut), golden.packet(piece[1:2], instance=2))


def packet_index(packet, at):
    begin, end, content, size, number, _ = struct.unpack_from("<6Q", packet, 32)
    return struct.pack(">12Q", at, size, content, begin, end, 0, 0, 0, number, 0, 0, 0)
