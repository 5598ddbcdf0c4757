// libtiffany-lttng.so: the LTTng tracepoints of the catalogue, and the table through which telemetry fires them.
//
// A module of its own, loaded at run time and never closed, so that a program runs where LTTng is not installed.

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_provider_tick.h"
#include "lttng_provider_tiffany.h"
// LTTng's headers above must come first: they are read several times over
#include <lttng/ust-thread.h>
#include <tiffany/tracepoints/lttng_table.hpp>
#include <tiffany/tracepoints/unseen.hpp>

#include "lttng_fork.hpp"
#include "lttng_provider_whole.hpp"

// Exported by liblttng-ust-tracepoint and liblttng-ust-common; no installed header declares them.
extern "C" int lttng_ust_tp_probe_register_queue_release(const char* provider_name, const char* event_name,
                                                         void (*func)(void), void* data, const char* signature);
extern "C" void lttng_ust_urcu_register_thread(void);

namespace tiffany::detail {
namespace {

// The fields of each event.
template <typename Event>
struct Fields;
#define TIFFANY_FIELD(name) Run{offsetof(Event, name), sizeof(Event::name)},
#define TIFFANY_WORKER() TIFFANY_FIELD(worker)
#define TIFFANY_TID() TIFFANY_FIELD(tid)
#define TIFFANY_SEQ() TIFFANY_FIELD(seq)
#define TIFFANY_STEP() TIFFANY_FIELD(step)
#define TIFFANY_PID() TIFFANY_FIELD(pid)
#define TIFFANY_U8(name, meaning) TIFFANY_FIELD(name)
#define TIFFANY_U16(name, meaning) TIFFANY_FIELD(name)
#define TIFFANY_U32(name, meaning) TIFFANY_FIELD(name)
#define TIFFANY_U64(name, meaning) TIFFANY_FIELD(name)
#define TIFFANY_DURATION(name, meaning) TIFFANY_FIELD(name)
#define TIFFANY_ENUM(name, enumeration, meaning) TIFFANY_FIELD(name)
#define TIFFANY_STRING(name, bytes, meaning) Run{offsetof(Event, name), kString},
#define TIFFANY_FIELDS(struct_name, ...)                                    \
    template <>                                                             \
    struct Fields<struct_name> {                                            \
        using Event = struct_name;                                          \
        static constexpr Layout kLayout{std::to_array<Run>({__VA_ARGS__})}; \
    };
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    TIFFANY_FIELDS(tiffany_task_##verb, TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) TIFFANY_FIELDS(tiffany_##verb, fields)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_FIELDS(tiffany_tick_##verb, fields)
#include <tiffany/tracepoints/task_events.def>
#undef TIFFANY_FIELDS
#undef TIFFANY_FIELD

/// LTTng's read lock. Its functions are looked up once an event: while the process ends, a destructor in LTTng's header
/// sets the pointers to them to null, and a thread that works on beside exit() must not call them afterwards.
class ReadLock {
  public:
    ReadLock() noexcept
        : lock_{CMM_LOAD_SHARED(lttng_ust_tracepoint_dlopen_ptr->rcu_read_lock_sym)},
          unlock_{CMM_LOAD_SHARED(lttng_ust_tracepoint_dlopen_ptr->rcu_read_unlock_sym)} {
        if (lock_ == nullptr || unlock_ == nullptr) return;
        lock_();
        // what was null before the lock has been taken is not waited for: LTTng may have freed the probes already
        holds_ = CMM_LOAD_SHARED(lttng_ust_tracepoint_dlopen_ptr->rcu_read_lock_sym) != nullptr;
        if (!holds_) unlock_();
    }
    ~ReadLock() {
        if (holds_) unlock_();
    }
    ReadLock(const ReadLock&) = delete;
    ReadLock& operator=(const ReadLock&) = delete;

    explicit operator bool() const noexcept { return holds_; }

  private:
    void (*const lock_)();
    void (*const unlock_)();
    bool holds_ = false;  // else LTTng is closed
};

/// What LTTng's macro does, but that an event of numbers is written as a whole where it can be. `state` is tested by
/// the hook's on-word for all tracepoints at once; a session may have enabled only some of them, so it is tested here
/// again.
template <typename Event>
[[gnu::always_inline]] inline void fire(const lttng_ust_tracepoint& tracepoint, void (*probe)(void*, const Event*),
                                        const Event* event) noexcept {
    if (CMM_LOAD_SHARED(tracepoint.state) == 0 || lttng_ust_tracepoint_dlopen_ptr == nullptr) return;
    const Unseen unseen;  // LTTng wakes its consumer by write(), and waits for room by poll()
    const ReadLock lock;
    if (!lock) return;
    // acquire: LTTng's own way to read them is a function that may be gone
    const lttng_ust_tracepoint_probe* asks = __atomic_load_n(&tracepoint.probes, __ATOMIC_ACQUIRE);
    for (; asks != nullptr && asks->func != nullptr; ++asks) {
        auto* const function = reinterpret_cast<void (*)(void*, const Event*)>(asks->func);
        constexpr const auto& kLayout = Fields<Event>::kLayout;
        if constexpr (kPacked && kLayout.numbers_only)
            if (function == probe && record_whole<kLayout>(asks->data, event)) continue;
        function(asks->data, event);
    }
}

// One function a tracepoint, so that each has exactly one site in the binary. Not cold: optimised for size it would
// pack an event with a string instruction.
#define TIFFANY_FIRE(provider, name, struct_name)                                                        \
    [[gnu::noinline]] void fire_##struct_name(const void* event) noexcept {                              \
        fire(lttng_ust_tracepoint_##provider##___##name, &lttng_ust__event_probe__##provider##___##name, \
             static_cast<const struct_name*>(event));                                                    \
    }
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    TIFFANY_FIRE(tiffany, task_##verb, tiffany_task_##verb)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_FIRE(tiffany, verb, tiffany_##verb)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_FIRE(tiffany_tick, verb, tiffany_tick_##verb)
#include <tiffany/tracepoints/task_events.def>
#undef TIFFANY_FIRE

const lttng_ust_tracepoint* const kTracepoints[] = {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) &lttng_ust_tracepoint_tiffany___task_##verb,
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) &lttng_ust_tracepoint_tiffany___##verb,
#include <tiffany/tracepoints/task_events.def>
};

const lttng_ust_tracepoint* const kTicks[] = {
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    &lttng_ust_tracepoint_tiffany_tick___##verb,
#include <tiffany/tracepoints/task_events.def>
};

template <std::size_t Size>
bool any_of(const lttng_ust_tracepoint* const (&tracepoints)[Size]) {
    for (const lttng_ust_tracepoint* tracepoint : tracepoints)
        if (CMM_LOAD_SHARED(tracepoint->state) != 0) return true;
    return false;
}

bool any_enabled() noexcept {
    return any_of(kTracepoints);
}
bool any_tick_enabled() noexcept {
    return any_of(kTicks);
}

// FNV-1a over the addresses of the lists of probes: LTTng makes a new list whenever a session comes or goes. The old
// one is freed soon after, and malloc may hand it out again: two changes between two looks can hash as none, which is
// why the workers tell what they found off. https://www.rfc-editor.org/rfc/rfc9923 (draft-eastlake-fnv) gives the
// constants.
std::uint64_t probes_hash() noexcept {
    std::uint64_t hash = 0xcbf29ce484222325u;
    const auto mix = [&hash](const lttng_ust_tracepoint* tracepoint) {
        hash ^= reinterpret_cast<std::uintptr_t>(CMM_LOAD_SHARED(tracepoint->probes));
        hash *= 0x100000001b3u;
    };
    for (const lttng_ust_tracepoint* tracepoint : kTracepoints)
        mix(tracepoint);
    for (const lttng_ust_tracepoint* tracepoint : kTicks)
        mix(tracepoint);
    return hash;
}

void prepare_thread() noexcept {
    const Unseen unseen;
    lttng_ust_init_thread();
    lttng_ust_urcu_register_thread();
}

// LTTng calls this with (data, session). The data is the caller's function: a program and a plugin may each carry a
// copy of the telemetry library, and each copy wants to be told.
void on_statedump_start(void* data, struct lttng_ust_session*) {
    reinterpret_cast<void (*)() noexcept>(data)();
}

bool call_on_statedump(void (*callback)() noexcept) noexcept {
    const Unseen unseen;
    // the signature must be LTTng's own to the letter: with another one it registers and is never called
    return lttng_ust_tp_probe_register_queue_release(
               "lttng_ust_statedump", "start", reinterpret_cast<void (*)()>(&on_statedump_start),
               reinterpret_cast<void*>(callback), "struct lttng_ust_session *, session") == 0;
}

constexpr LttngTable kTable{
    {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) &fire_tiffany_task_##verb,
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) &fire_tiffany_##verb,
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) &fire_tiffany_tick_##verb,
#include <tiffany/tracepoints/task_events.def>
    },
    &any_enabled,
    &any_tick_enabled,
    &probes_hash,
    &prepare_thread,
    &call_on_statedump,
    &before_fork,
    &after_fork_in_parent,
    &after_fork_in_child,
};

}  // namespace
}  // namespace tiffany::detail

extern "C" __attribute__((visibility("default"))) const tiffany::detail::LttngTable* tiffany_lttng_table_2() {
    return &tiffany::detail::kTable;
}
