#include "recording_module.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <new>
#include <thread>
#include <tiffany/tracepoints/lttng_table.hpp>
#include <utility>

namespace {

using tiffany::EventId;
using tiffany::testing::Fired;
using tiffany::testing::Recording;

Recording recording;

// A thread of the parent may have held the lock, and half made an entry, when another one forked: the child begins with
// a lock and a list of its own.
[[gnu::constructor]] void begin_anew_in_a_forked_child() {
    pthread_atfork(nullptr, nullptr, [] {
        new (&recording.mutex) std::mutex;
        new (&recording.events) std::vector<Fired>;
    });
}

void hold_here(EventId id) noexcept {
    int wanted = static_cast<int>(id);
    if (!recording.hold.compare_exchange_strong(wanted, -1)) return;
    recording.is_held = true;
    if (void (*const handler)() = std::exchange(recording.meanwhile, nullptr)) handler();
    while (!recording.released)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

template <typename Event>
void keep(EventId id, const void* event) noexcept {
    static_assert(sizeof(Event) <= sizeof(Fired::bytes));
    std::uint64_t block_ns = 0, poll_ns = 0;
    hold_here(id);
    {
        const std::lock_guard lock{recording.mutex};
        const bool tick = id == EventId::TickBegin || id == EventId::TickEnd;
        if (!(tick ? recording.ticks_enabled : recording.enabled)) return;
        Fired fired{id, std::this_thread::get_id(), {}};
        std::memcpy(fired.bytes, event, sizeof(Event));
        recording.events.push_back(fired);
        block_ns = recording.block_ns;
        poll_ns = recording.poll_ns;
    }
    // as LTTng waits: 100 ms at a time
    for (std::uint64_t left = block_ns; left != 0;) {
        const std::uint64_t poll = std::min(left, poll_ns);
        std::this_thread::sleep_for(std::chrono::nanoseconds{poll});
        left -= poll;
    }
}

const tiffany::detail::LttngTable table{
    {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    [](const void* event) noexcept { keep<tiffany_task_##verb>(EventId::Task##Name, event); },
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    [](const void* event) noexcept { keep<tiffany_##verb>(EventId::Name, event); },
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    [](const void* event) noexcept { keep<tiffany_tick_##verb>(EventId::Name, event); },
#include <tiffany/tracepoints/task_events.def>
    },
    []() noexcept {
        const std::lock_guard lock{recording.mutex};
        return recording.enabled;
    },
    []() noexcept {
        const std::lock_guard lock{recording.mutex};
        return recording.ticks_enabled;
    },
    []() noexcept {
        const std::lock_guard lock{recording.mutex};
        return recording.probes_hash;
    },
    []() noexcept {},
    [](void (*callback)() noexcept) noexcept {
        recording.statedump = callback;
        return true;
    },
    []() noexcept {},
    []() noexcept {},
    []() noexcept {},
};

}  // namespace

extern "C" const tiffany::detail::LttngTable* tiffany_lttng_table_2() {
    return &table;
}
extern "C" Recording* tiffany_testing_recording() {
    return &recording;
}
