#pragma once
/// Which outlet the workers' events go to, and what that means for the workers. One hub for the program's own sink, one
/// for the log: each has rings and a thread of its own, so that neither is late because of the other. Thread-safe.

#include <atomic>
#include <memory>
#include <mutex>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/sink_options.hpp>
#include <vector>

#include "pal_writer.hpp"

namespace tiffany::detail {

class PalHub {
  public:
    /// Another outlet is uninstalled first.
    /// @param here  the calling thread's workers begin before this returns; not in a hook, which has taken its seq
    /// Errors: std::bad_alloc; std::system_error.
    void install(std::unique_ptr<PalOutlet> outlet, const SinkOptions& options, const PalPace& pace, bool here);
    /// Returns whether all was delivered in time. From the writer's thread: does nothing, returns false.
    bool uninstall() noexcept;
    /// Whether this is the thread of its writer.
    bool here() const noexcept { return PalWriter::here(mutex_); }
    /// Cost with no sink: a load.
    bool flush() noexcept;
    SinkStats stats() const noexcept;
    bool is_installed() const noexcept { return installed_.load(std::memory_order_acquire); }

    /// A ring to the outlet, which is also put into `rings`; null if there is no outlet, or no memory (which is
    /// counted), or `offered` is one already, or this is the writer's thread. Whoever holds the process's
    /// workers_mutex.
    std::shared_ptr<PalRing> make_ring(const Clock& clock, const PalRing* offered,
                                       std::vector<std::shared_ptr<PalRing>>& rings) noexcept;

    // ---- fork ----

    void lock() noexcept;
    void unlock() noexcept;
    /// With the lock.
    void become_child() noexcept;

  private:
    std::shared_ptr<PalWriter> current() const noexcept {
        const std::lock_guard lock{mutex_};
        return current_;
    }

    mutable std::mutex mutex_;
    std::atomic<bool> installed_{false};  // writer: with the lock
    std::shared_ptr<PalWriter> current_;
    PalOutlet* locked_ = nullptr;                          // while a fork is on its way
    std::vector<std::shared_ptr<PalWriter>> left_behind_;  // in a forked child: the parent's, whose thread is not here
    PalCounters counters_;
};

}  // namespace tiffany::detail
