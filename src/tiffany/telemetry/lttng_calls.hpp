#pragma once
/// Who is in the middle of an LTTng call, so that nobody writes a ring's length past it: ADR 46. Private to telemetry.
///
/// LTTng reserves room for an event, writes it and commits it. A thread that loses its CPU in between keeps its
/// sub-buffer open, and when the others have filled the rest of that CPU's ring LTTng discards what comes next, also in
/// blocking mode, which waits for the consumer daemon alone.

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <tiffany/telemetry/detail/lttng_patience.hpp>

namespace tiffany::detail {

/// One worker's. A cache line of its own: it is written twice at each event.
struct alignas(64) LttngCall {
    std::atomic<std::uint64_t> since{0};  // how much had been written when the call began; 0 = it is in none
    std::atomic<pid_t> thread{0};
    // ---- its worker alone ----
    std::uint64_t untold = 0;            // bytes written since it last told, or kLookAgain and more
    const LttngCall* held_by = nullptr;  // whom it has waited for in vain,
    std::uint64_t held_by_since = 0;     // and the call of that one
};

/// Thread-safe. Where LTTng may block only.
class LttngCalls {
  public:
    /// So much may be written, by all workers together, while one call lasts. With what they have not told of yet, and
    /// sub-buffers that the consumer's timer closes half empty, once a second, it is less than a ring of 8 sub-buffers
    /// of 1 MiB, the least that `paltrace record --lossless` takes.
    static constexpr std::uint64_t kRoomBytes = 3u << 20;
    static constexpr std::uint64_t kUntoldBytes = 3u << 19;

    LttngCalls() = default;
    ~LttngCalls();
    LttngCalls(const LttngCalls&) = delete;
    LttngCalls& operator=(const LttngCalls&) = delete;

    /// The call of the worker with that index; null without memory.
    LttngCall* of(std::uint16_t index) noexcept;

    /// A worker begins, on this thread: whom the last one of its index has waited for in vain it does not know.
    static void join(LttngCall& mine, pid_t thread) noexcept {
        mine.thread.store(thread, std::memory_order_relaxed);
        mine.held_by = nullptr;
        if (mine.untold >= kLookAgain) mine.untold = 0;
    }
    /// Before a call. Any thread, but each call has one.
    /// @param bytes     that it writes at most
    /// @param patience  the worker's: what is left of it is as long as this waits. It is over afterwards if that ended
    ///                  with another worker that still waited for the consumer
    /// @return whether the worker may call. If not, it has waited in vain for one that is not done with what it began
    ///         long ago: until that is done it neither waits nor calls
    /// Cost: a few nanoseconds; now and then a look at all workers. Waits for those that are not done if they have no
    /// CPU. Who sleeps in its call waits for the consumer, and has reserved nothing yet: nobody waits for it who has
    /// not waited for it before it slept.
    bool enter(LttngCall& mine, std::uint64_t bytes, LttngPatience& patience) noexcept {
        mine.untold += bytes;
        if (mine.untold >= share_.load(std::memory_order_relaxed) && !makes_way(mine, patience)) [[unlikely]]
            return false;
        begin(mine);
        return true;
    }
    /// Before a call that is made whatever others do.
    void begin(LttngCall& mine) noexcept {
        // relaxed: LTTng reserves by a compare-and-swap that is a full barrier, so who sees the room gone sees this; an
        // older figure only makes others wait earlier
        mine.since.store(written_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    /// After it. release: the event is committed before.
    static void leave(LttngCall& mine) noexcept { mine.since.store(0, std::memory_order_release); }

    /// Of the parent's threads only one is here, and that is in no call.
    void become_child() noexcept;

  private:
    // who must not call looks again before its next call
    static constexpr std::uint64_t kLookAgain = std::uint64_t{1} << 62;
    static constexpr std::size_t kEach = 64;
    using Chunk = std::array<LttngCall, kEach>;

    bool makes_way(LttngCall& mine, LttngPatience& patience) noexcept;
    static bool waits_for(const LttngCall& other, LttngCall& mine, std::uint64_t written, LttngPatience& patience,
                          std::uint64_t& waited) noexcept;

    alignas(64) std::atomic<std::uint64_t> written_{1};  // bytes, in all, as told so far
    std::atomic<std::uint64_t> share_{kUntoldBytes / kEach};
    std::array<std::atomic<Chunk*>, 65'536 / kEach> chunks_{};  // made as they are needed, and kept
    std::atomic<std::size_t> used_{0};                          // of them
};

}  // namespace tiffany::detail
