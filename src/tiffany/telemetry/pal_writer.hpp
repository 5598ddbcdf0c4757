#pragma once
/// The thread that empties the workers' rings into a sink.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <tiffany/telemetry/sink.hpp>
#include <vector>

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

class PalWriter {
  public:
    /// @param mutex  the hub's: held across a fork, so that the child finds whole lists
    PalWriter(std::mutex& mutex, PalCounters& counters, std::shared_ptr<pal::Sink> sink, const SinkOptions& options);
    PalWriter(const PalWriter&) = delete;
    PalWriter& operator=(const PalWriter&) = delete;

    /// Starts the thread of `writer`, which keeps it. Errors: std::system_error.
    static void start(const std::shared_ptr<PalWriter>& writer);
    /// Whether this thread is a writer's.
    static bool here() noexcept;

    const SinkOptions& options() const noexcept { return options_; }
    /// A ring that this writer will empty. Errors: std::bad_alloc.
    std::shared_ptr<PalRing> make_ring(const Clock& clock);
    /// From this generation on no worker uses its rings.
    void retire_rings(std::uint32_t generation) noexcept;
    /// Returns false if it took longer than flush_timeout.
    bool flush() noexcept;
    /// Delivers what has fired and ends the thread; the same. Once.
    bool finish() noexcept;
    /// In a forked child, where its thread does not exist. Holds the mutex.
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
    };

    void run() noexcept;
    bool pass(bool with_tails) noexcept;
    std::size_t empty(Lane& lane, bool with_tail) noexcept;
    void tell(Lane& lane) noexcept;
    void tell_gap(Lane& lane, std::uint64_t up_to_seq) noexcept;
    std::uint64_t time_of(Lane& lane, std::uint64_t ticks) const noexcept;
    void anchor() noexcept;

    std::mutex& mutex_;
    PalCounters& counters_;
    const SinkOptions options_;
    const std::uint64_t epoch_ns_;  // what makes CLOCK_MONOTONIC the time since 1970; one for the sink's life

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
    std::shared_ptr<pal::Sink> sink_;
    pal::Record record_;
    std::uint64_t anchor_ticks_ = 0;  // the same moment on both clocks
    std::uint64_t anchor_ns_ = 0;
};

}  // namespace tiffany::detail
