#pragma once
/// A provider module for tests: it keeps what is fired in memory, and its "tracepoints" are switched by the test. The
/// telemetry library loads it as it loads the real one, through TIFFANY_LTTNG_MODULE.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>
#include <tiffany/tracepoints/catalogue.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <vector>

namespace tiffany::testing {

struct Fired {
    EventId id;
    std::thread::id thread;
    alignas(8) unsigned char bytes[512];

    template <typename Event>
    Event as() const {
        Event event;
        std::memcpy(&event, bytes, sizeof event);
        return event;
    }
};

/// Shared by the test and the module; guarded by `mutex`.
struct Recording {
    std::mutex mutex;
    std::vector<Fired> events;
    bool enabled = false;
    bool ticks_enabled = false;
    std::uint64_t probes_hash = 1;
    std::uint64_t block_ns = 0;           ///< each event waits so long
    std::uint64_t poll_ns = 100'000'000;  ///< for so long at a time; more: its thread stands still meanwhile
    /// The next event of this kind (an EventId, -1 = none) waits in the call, before it is kept, until released.
    std::atomic<int> hold{-1};
    std::atomic<bool> is_held{false};
    std::atomic<bool> released{false};
    void (*meanwhile)() = nullptr;           ///< what its thread does then, once: as a signal handler would
    void (*statedump)() noexcept = nullptr;  ///< what LTTng would call at a session's start

    std::vector<Fired> of(EventId id) {
        const std::lock_guard lock{mutex};
        std::vector<Fired> found;
        for (const Fired& event : events)
            if (event.id == id) found.push_back(event);
        return found;
    }
    template <typename Event>
    Event last(EventId id) {
        const std::vector<Fired> found = of(id);
        return found.empty() ? Event{} : found.back().as<Event>();
    }
    std::vector<EventId> ids() {
        const std::lock_guard lock{mutex};
        std::vector<EventId> all;
        for (const Fired& event : events)
            all.push_back(event.id);
        return all;
    }
    void set_enabled(bool on) {
        const std::lock_guard lock{mutex};
        enabled = on;
    }
    void clear() {
        const std::lock_guard lock{mutex};
        events.clear();
    }
};

using RecordingFunction = Recording* (*)();

}  // namespace tiffany::testing
