// Every USDT probe of the catalogue has its only site here, in a cold function of its own: the compiler can neither
// inline nor unroll it into several sites, and its arguments are integers and pointers in locals, the only form that
// bpftrace 0.17 can read from every compiler.

#include <tiffany/tracepoints/event_structs.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

// In .probes, where tracers look for semaphores; R: retained, as they are. First, what begins the section:
// - A page. The kernel finds a semaphore by its place in the file, and lld has a page of the file mapped twice, also
//   with what is writable until it is relocated: in a program that starts then the wrong copy would be raised.
// - A reference to the symbol that sys/sdt.h's notes tell addresses relative to, which lld and gold would drop under
//   --gc-sections.
__asm__(
    ".pushsection .probes,\"awR\",@progbits\n"
    ".balign 4096\n"
    ".8byte _.stapsdt.base - .\n"
    ".popsection\n");

extern "C" {

// hidden: each library and program that carries probes has its own. retain: the notes name these, but a note keeps
// nothing alive, and in a program without hooks nothing else names them.
#define TIFFANY_SEMAPHORE \
    __attribute__((section(".probes"), visibility("hidden"), used, retain)) volatile unsigned short
TIFFANY_SEMAPHORE tiffany_usdt_semaphore = 0;
TIFFANY_SEMAPHORE tiffany_usdt_tick_semaphore = 0;
#undef TIFFANY_SEMAPHORE

// sys/sdt.h wants a semaphore for each probe: all are names of one variable. used: clang's LTO drops them otherwise.
#define TIFFANY_ALIAS(name, variable) \
    extern volatile unsigned short name __attribute__((alias(#variable), visibility("hidden"), used));
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    TIFFANY_ALIAS(tiffany_task__##verb##_semaphore, tiffany_usdt_semaphore)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_ALIAS(tiffany_##probe##_semaphore, tiffany_usdt_semaphore)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_ALIAS(tiffany_tick_##probe##_semaphore, tiffany_usdt_tick_semaphore)
#include <tiffany/tracepoints/task_events.def>
#undef TIFFANY_ALIAS

}  // extern "C"

namespace tiffany::detail {
namespace {

// number(event, i): the i-th number of a non-transition; the i-th own number of a transition; 0 past the last
#define TIFFANY_TAKE(name) \
    if (index-- == 0) return event.name;
#define TIFFANY_WORKER() TIFFANY_TAKE(worker)
#define TIFFANY_TID() TIFFANY_TAKE(tid)
#define TIFFANY_SEQ() TIFFANY_TAKE(seq)
#define TIFFANY_STEP() TIFFANY_TAKE(step)
#define TIFFANY_PID() TIFFANY_TAKE(pid)
#define TIFFANY_U8(name, meaning) TIFFANY_TAKE(name)
#define TIFFANY_U16(name, meaning) TIFFANY_TAKE(name)
#define TIFFANY_U32(name, meaning) TIFFANY_TAKE(name)
#define TIFFANY_U64(name, meaning) TIFFANY_TAKE(name)
#define TIFFANY_DURATION(name, meaning) TIFFANY_TAKE(name)
#define TIFFANY_ENUM(name, enumeration, meaning) TIFFANY_TAKE(name)
#define TIFFANY_NUMBER(struct_name, fields)                                                           \
    [[maybe_unused]] inline std::uint64_t number(const struct_name& event, unsigned index) noexcept { \
        fields return 0;                                                                              \
    }
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) TIFFANY_NUMBER(tiffany_task_##verb, fields)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) TIFFANY_NUMBER(tiffany_##verb, fields)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_NUMBER(tiffany_tick_##verb, fields)
#include <tiffany/tracepoints/task_events.def>
#undef TIFFANY_NUMBER
#undef TIFFANY_TAKE

#if defined(__clang__)
#define TIFFANY_ONE_SITE __attribute__((noinline, cold))
#else
#define TIFFANY_ONE_SITE __attribute__((noipa, cold))  // noinline alone lets g++ clone a function
#endif

#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields)                   \
    TIFFANY_ONE_SITE void probe_tiffany_task_##verb(const void* struct_pointer) noexcept { \
        const auto* const event = static_cast<const tiffany_task_##verb*>(struct_pointer); \
        const std::uint64_t a0 = event->worker, a1 = event->tid, a2 = event->seq;          \
        const std::uint64_t a3 = event->step, a4 = number(*event, 0);                      \
        STAP_PROBE6(tiffany, task__##verb, a0, a1, a2, a3, a4, event);                     \
    }
#define TIFFANY_OTHER(provider, probe, struct_name)                                                 \
    TIFFANY_ONE_SITE void probe_##struct_name(const void* struct_pointer) noexcept {                \
        const auto* const event = static_cast<const struct_name*>(struct_pointer);                  \
        const std::uint64_t a0 = number(*event, 0), a1 = number(*event, 1), a2 = number(*event, 2); \
        const std::uint64_t a3 = number(*event, 3), a4 = number(*event, 4);                         \
        STAP_PROBE6(provider, probe, a0, a1, a2, a3, a4, event);                                    \
    }
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_OTHER(tiffany, probe, tiffany_##verb)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_OTHER(tiffany_tick, probe, tiffany_tick_##verb)
#include <tiffany/tracepoints/task_events.def>
#undef TIFFANY_OTHER
#undef TIFFANY_ONE_SITE

}  // namespace

const std::array<UsdtProbe, kEvents> kUsdtProbes{
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) &probe_tiffany_task_##verb,
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) &probe_tiffany_##verb,
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) &probe_tiffany_tick_##verb,
#include <tiffany/tracepoints/task_events.def>
};

}  // namespace tiffany::detail
