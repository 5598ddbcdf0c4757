#pragma once
/// Where an event's numbers lie in a Record, known when this is compiled: for who reads many records.
///
///     if (record.info->id == EventId::TaskRunning) waits += record.numbers[field::Running::wait_ns];
///
/// `Record::number` finds the same by name. Strings have no place here.

#include <cstddef>
#include <tiffany/pal/record.hpp>

namespace tiffany::pal::field {

// An event of the catalogue: the places of its fields.
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    struct Name {                                                        \
        enum : std::size_t { worker, tid, seq, step, fields };           \
    };
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    struct Name {                                                              \
        enum : std::size_t { fields };                                         \
    };
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    struct Name {                                                             \
        enum : std::size_t { fields };                                        \
    };
#define TIFFANY_WORKER() worker,
#define TIFFANY_TID() tid,
#define TIFFANY_SEQ() seq,
#define TIFFANY_STEP() step,
#define TIFFANY_PID() pid,
#define TIFFANY_U8(name, meaning) name,
#define TIFFANY_U16(name, meaning) name,
#define TIFFANY_U32(name, meaning) name,
#define TIFFANY_U64(name, meaning) name,
#define TIFFANY_DURATION(name, meaning) name,
#define TIFFANY_ENUM(name, enumeration, meaning) name,
#define TIFFANY_STRING(name, bytes, meaning) name,
#include <tiffany/tracepoints/task_events.def>

}  // namespace tiffany::pal::field
