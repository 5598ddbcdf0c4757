#pragma once
/// Metadata as LTTng writes it, with the parts that tests change.

#include <string>

namespace tiffany::ctf {

struct PlainMetadata {
    std::string header = "struct event_header_compact";
    std::string trace = "byte_order = le;";
    std::string tracer = "lttng-ust";
    std::string clock = "name = \"monotonic\"; freq = 1000000000; offset = 1000;";
    std::string context;
    std::string fields =
        "integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } _worker;"
        "integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } _tid;"
        "string _name;";
    std::string event = "name = \"tiffany:task_spawned\"; id = 3; stream_id = 0; loglevel = 6;";
    std::string more;

    std::string text() const {
        return R"(/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 64; align = 8; signed = false; } := unsigned long;
typealias integer { size = 5; align = 1; signed = false; } := uint5_t;
trace { major = 1; minor = 8; uuid = "00112233-4455-6677-8899-aabbccddeeff"; )" +
               trace +
               R"( packet.header := struct { uint32_t magic; uint8_t uuid[16]; uint32_t stream_id;
    uint64_t stream_instance_id; }; };
env { tracer_name = ")" +
               tracer + R"("; tracer_major = 2; tracer_minor = 13; hostname = "h"; vpid = 77; };
clock { )" + clock +
               R"( };
typealias integer { size = 27; align = 1; signed = false; map = clock.monotonic.value; } := uint27_clock_monotonic_t;
typealias integer { size = 32; align = 8; signed = false; map = clock.monotonic.value; } := uint32_clock_monotonic_t;
typealias integer { size = 64; align = 8; signed = false; map = clock.monotonic.value; } := uint64_clock_monotonic_t;
struct packet_context { uint64_clock_monotonic_t timestamp_begin; uint64_clock_monotonic_t timestamp_end;
    uint64_t content_size; uint64_t packet_size; uint64_t packet_seq_num; unsigned long events_discarded;
    uint32_t cpu_id; };
struct event_header_compact { enum : uint5_t { compact = 0 ... 30, extended = 31 } id;
    variant <id> { struct { uint27_clock_monotonic_t timestamp; } compact;
                   struct { uint32_t id; uint64_clock_monotonic_t timestamp; } extended; } v; } align(8);
struct event_header_large { enum : uint16_t { compact = 0 ... 65534, extended = 65535 } id;
    variant <id> { struct { uint32_clock_monotonic_t timestamp; } compact;
                   struct { uint32_t id; uint64_clock_monotonic_t timestamp; } extended; } v; } align(8);
stream { id = 0; event.header := )" +
               header + "; packet.context := struct packet_context; " + context + " };\nevent { " + event +
               " fields := struct { " + fields + " }; };\n" + more;
    }
};

}  // namespace tiffany::ctf
