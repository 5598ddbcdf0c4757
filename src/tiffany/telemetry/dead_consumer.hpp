#pragma once
/// What the workers of a process have found out together of LTTng's consumer daemon: ADR 53. Private to telemetry.

#include <atomic>
#include <cstdint>
#include <tiffany/telemetry/detail/lttng_patience.hpp>

namespace tiffany::detail {

/// Thread-safe. Sessions are numbers of Process::lttng_sessions().
class DeadConsumer {
  public:
    /// A worker has waited for it in vain for as long as a worker does.
    void found(std::uint32_t session) noexcept {
        if (session_.exchange(session, std::memory_order_relaxed) != session)
            words_ns_.store(0, std::memory_order_relaxed);
    }
    /// A buffer that was full has room again.
    void is_alive() noexcept {
        if (session_.load(std::memory_order_relaxed) != kNone) session_.store(kNone, std::memory_order_relaxed);
    }
    /// Whether who begins in this session need not wait for it.
    bool is_found(std::uint32_t session) const noexcept { return session_.load(std::memory_order_relaxed) == session; }

    /// That a worker begins or ends is told all the same, since loss is counted by it: it waited for so long.
    void word_waited(std::uint64_t ns) noexcept { words_ns_.fetch_add(ns, std::memory_order_relaxed); }
    /// There is no room for that either.
    bool takes_no_word(std::uint32_t session) const noexcept {
        return is_found(session) && words_ns_.load(std::memory_order_relaxed) >= LttngPatience::kGiveUpNs;
    }

  private:
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    std::atomic<std::uint64_t> session_{kNone};  // in which it was found dead
    std::atomic<std::uint64_t> words_ns_{0};     // since then, of all workers together
};

}  // namespace tiffany::detail
