#pragma once
/// Which sink is installed, and what that means for the workers. Thread-safe.

#include <atomic>
#include <memory>
#include <mutex>
#include <tiffany/telemetry/sink.hpp>
#include <vector>

#include "pal_writer.hpp"

namespace tiffany::detail {

class PalHub {
  public:
    void install(std::shared_ptr<pal::Sink> sink, const SinkOptions& options);
    bool uninstall() noexcept;
    /// Cost with no sink: a load.
    bool flush() noexcept;
    SinkStats stats() const noexcept;

    /// A ring to the installed sink, which is also put into `rings`; null if there is no sink, or no memory (which is
    /// counted), or `offered` is one already, or this is the writer's thread. Whoever holds the process's
    /// workers_mutex.
    std::shared_ptr<PalRing> make_ring(const Clock& clock, const PalRing* offered,
                                       std::vector<std::shared_ptr<PalRing>>& rings) noexcept;

    // ---- fork ----

    void lock() noexcept { mutex_.lock(); }
    void unlock() noexcept { mutex_.unlock(); }
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
    std::vector<std::shared_ptr<PalWriter>> left_behind_;  // in a forked child: the parent's, whose thread is not here
    PalCounters counters_;
};

}  // namespace tiffany::detail
