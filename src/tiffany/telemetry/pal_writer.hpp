#pragma once
/// The thread that empties the workers' rings into an outlet.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <tiffany/telemetry/sink_options.hpp>
#include <vector>

#include "pal_outlet.hpp"
#include "pal_ring.hpp"

namespace tiffany::detail {

/// SinkStats while they are counted. Writers: the writers' threads, of which an abandoned one may be a second.
struct PalCounters {
    std::atomic<std::uint64_t> records{0};
    std::atomic<std::uint64_t> transitions{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> refused_transitions{0};
    std::atomic<std::uint64_t> lost{0};
    std::atomic<std::uint64_t> lost_others{0};
    std::atomic<std::uint64_t> gaps{0};
    std::atomic<std::uint64_t> flushes_timed_out{0};
    std::atomic<std::uint64_t> workers_without_ring{0};
};

/// How often the rings are looked at, beside SinkOptions::poll.
struct PalPace {
    /// How long it sleeps when the last look found more than a little; 0 = as `poll`.
    std::chrono::milliseconds busy_poll{0};
    /// How long an event may wait in its ring for events of other workers that are older; not while a ring fills.
    std::chrono::milliseconds hold{0};
};

class PalWriter {
  public:
    /// @param mutex  the hub's: held across a fork, so that the child finds whole lists
    PalWriter(std::mutex& mutex, PalCounters& counters, std::unique_ptr<PalOutlet> outlet, const SinkOptions& options,
              const PalPace& pace);
    PalWriter(const PalWriter&) = delete;
    PalWriter& operator=(const PalWriter&) = delete;

    /// Starts the thread of `writer`, which keeps it. Errors: std::system_error.
    static void start(const std::shared_ptr<PalWriter>& writer);
    /// Whether this thread is a writer's of the hub with that mutex.
    static bool here(const std::mutex& mutex) noexcept;

    const SinkOptions& options() const noexcept { return options_; }
    /// A ring that this writer will empty. Errors: std::bad_alloc.
    std::shared_ptr<PalRing> make_ring(const Clock& clock);
    /// From this generation on no worker uses its rings.
    void retire_rings(std::uint32_t generation) noexcept;
    /// Returns false if it took longer than flush_timeout.
    bool flush() noexcept;
    /// Delivers what has fired and ends the thread; the same. Once.
    bool finish() noexcept;

    // ---- around a fork, with the mutex ----

    PalOutlet& outlet() noexcept { return *outlet_; }
    /// In a forked child, where its thread does not exist.
    void become_child() noexcept;

  private:
    struct Lane {
        explicit Lane(std::shared_ptr<PalRing> its_ring) : ring{std::move(its_ring)} {}
        std::shared_ptr<PalRing> ring;
        bool begun = false;
        bool done = false;
        std::uint64_t last_seq = 0;  // the last transition that was told, or told to be lost
        std::uint64_t last_ts_ns = 0;
        std::uint64_t others_dropped = 0;
        std::uint64_t dropped_before = 0;  // up to that seq, as the last look found

        // of this look
        bool orphaned = false;
        PalRing::Dropped dropped{0, 0};
        std::uint64_t head = 0;
        bool moved = false;            // a transition was told
        std::uint64_t horizon_ns = 0;  // what is later waits for the next look
    };
    /// A lane that has something to tell.
    struct Cursor {
        std::uint64_t ts_ns;
        std::uint64_t worker;
        Lane* lane;
        bool operator<(const Cursor& other) const noexcept {  // for a heap with the earliest in front
            return ts_ns != other.ts_ns ? ts_ns > other.ts_ns : worker > other.worker;
        }
    };
    /// What a look found.
    struct Found {
        std::size_t bytes = 0;    // that were told
        std::size_t fullest = 0;  // percent of a ring
        bool gaps = false;        // one was told behind the last event
    };

    /// Told since it was added to the counters: they are shared, and an addition there has its price.
    struct Told {
        std::uint64_t taken = 0;
        std::uint64_t refused = 0;
        std::uint64_t taken_transitions = 0;
        std::uint64_t refused_transitions = 0;
    };

    void run() noexcept;
    std::chrono::milliseconds pause_after(const Found& found) const noexcept;
    Found look(bool flush) noexcept;
    std::size_t take_lanes(std::size_t from) noexcept;
    void begin_look(Lane& lane) noexcept;
    void set_horizon(bool flush, std::size_t fullest) noexcept;
    void merge() noexcept;
    bool has_next(Lane& lane) noexcept;
    bool end_look(Lane& lane, bool flush) noexcept;
    void tell(Lane& lane) noexcept;
    void count_told() noexcept;
    bool tell_gap(Lane& lane, std::uint64_t up_to_seq) noexcept;
    std::uint64_t time_of(const Lane& lane, std::uint64_t ticks) const noexcept;
    void anchor() noexcept;

    std::mutex& mutex_;
    PalCounters& counters_;
    const SinkOptions options_;
    const PalPace pace_;
    const Clock& clock_;
    const std::uint64_t epoch_ns_;  // what makes CLOCK_MONOTONIC the time since 1970; one for the writer's life

    // guarded by mutex_
    std::vector<std::unique_ptr<Lane>> lanes_;  // the writer's thread alone removes
    std::condition_variable wake_;
    std::condition_variable told_;
    std::uint64_t flushes_wanted_ = 0;
    std::uint64_t flushes_done_ = 0;
    bool stopping_ = false;
    bool finished_ = false;

    std::atomic<bool> abandoned_{false};  // nobody waits any more: count what is left, and end
    std::thread thread_;                  // whoever starts and finishes

    // the writer's thread
    std::unique_ptr<PalOutlet> outlet_;
    Told told_now_;
    std::vector<Lane*> taken_;  // of this look; these two never grow while events are told
    std::vector<Cursor> heap_;
    std::uint64_t anchor_ticks_ = 0;  // the same moment on both clocks
    std::uint64_t anchor_ns_ = 0;
};

}  // namespace tiffany::detail
