// libtiffany-lttng.so: the LTTng tracepoints of the catalogue, and the table through which telemetry fires them.
//
// A module of its own, loaded at run time and never closed, so that a program runs where LTTng is not installed.

#include <cstdint>
#include <iterator>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_provider_tick.h"
#include "lttng_provider_tiffany.h"
// LTTng's headers above must come first: they are read several times over
#include <lttng/ust-thread.h>
#include <tiffany/tracepoints/lttng_table.hpp>

// Exported by liblttng-ust-tracepoint and liblttng-ust-common; no installed header declares them.
extern "C" int lttng_ust_tp_probe_register_queue_release(const char* provider_name, const char* event_name,
                                                         void (*func)(void), void* data, const char* signature);
extern "C" void lttng_ust_urcu_register_thread(void);

namespace tiffany::detail {
namespace {

// One cold function a tracepoint, so that each has exactly one site in the binary. `state` is tested by the hook's
// on-word as a whole; a session may have enabled only some of the events, so it is tested here again.
#define TIFFANY_FIRE(provider, name, struct_name)                                      \
    [[gnu::noinline, gnu::cold]] void fire_##struct_name(const void* event) noexcept { \
        lttng_ust_tracepoint(provider, name, static_cast<const struct_name*>(event));  \
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
    lttng_ust_init_thread();
    lttng_ust_urcu_register_thread();
}

// LTTng calls this with (data, session). The data is the caller's function: a program and a plugin may each carry a
// copy of the telemetry library, and each copy wants to be told.
void on_statedump_start(void* data, struct lttng_ust_session*) {
    reinterpret_cast<void (*)() noexcept>(data)();
}

bool call_on_statedump(void (*callback)() noexcept) noexcept {
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
};

}  // namespace
}  // namespace tiffany::detail

extern "C" __attribute__((visibility("default"))) const tiffany::detail::LttngTable* tiffany_lttng_table_1() {
    return &tiffany::detail::kTable;
}
