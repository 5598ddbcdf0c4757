#pragma once
/// The event structs that tracepoints and probes pass by pointer, one for each event of the catalogue:
/// `tiffany_task_sleep`, `tiffany_worker_started`, `tiffany_tick_begin`. tiffany_bpf.h declares the same structs in C
/// for bpftrace; a test holds the two against each other.
///
/// Strings lie in the struct, in bounded arrays with a final NUL, because bpftrace reads a string on a page that the
/// process has not touched as empty.

#include <cstdint>

#define TIFFANY_WORKER() std::uint64_t worker;
#define TIFFANY_TID() std::uint64_t tid;
#define TIFFANY_SEQ() std::uint64_t seq;
#define TIFFANY_STEP() std::uint64_t step;
#define TIFFANY_PID() std::uint32_t pid;
#define TIFFANY_U8(name, meaning) std::uint8_t name;
#define TIFFANY_U16(name, meaning) std::uint16_t name;
#define TIFFANY_U32(name, meaning) std::uint32_t name;
#define TIFFANY_U64(name, meaning) std::uint64_t name;
#define TIFFANY_DURATION(name, meaning) std::uint64_t name;
#define TIFFANY_ENUM(name, enumeration, meaning) std::uint8_t name;
#define TIFFANY_STRING(name, bytes, meaning) char name[(bytes) + 1];
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields)   \
    struct tiffany_task_##verb {                                           \
        TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields \
    };
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    struct tiffany_##verb {                                                    \
        fields                                                                 \
    };
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    struct tiffany_tick_##verb {                                              \
        fields                                                                \
    };
#include <tiffany/tracepoints/task_events.def>
