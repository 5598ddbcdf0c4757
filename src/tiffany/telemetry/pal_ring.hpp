#pragma once
/// A worker's ring of events on their way to the PAL writer: bytes, one producer (the worker), one consumer (the
/// writer's thread).
///
/// An entry is a header and the event's struct as it was fired. The consumer reads entries in place; the decoding to
/// records happens on its side, so that a hook pays for a copy and nothing else.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany {
class Clock;
}

namespace tiffany::detail {

class PalRing {
  public:
    struct Header {
        std::uint64_t ticks;  // of the worker's clock
        std::uint32_t bytes;  // of the entry, with the header
        std::uint8_t id;      // EventId, or kPadding
        std::array<std::uint8_t, 3> unused;
    };
    static constexpr std::uint8_t kPadding = 0xff;  // the rest of the ring up to its end
    static constexpr std::size_t kAlign = sizeof(Header);
    static_assert(kAlign == 16);
    static constexpr std::size_t entry_bytes(std::size_t event_bytes) noexcept {
        return (sizeof(Header) + event_bytes + kAlign - 1) / kAlign * kAlign;
    }

    /// @param bytes  rounded up to a power of two, at least 4096
    /// All pages are there before it returns. Errors: std::bad_alloc.
    PalRing(std::size_t bytes, const Clock& clock, bool ticks, const void* owner);
    ~PalRing();
    PalRing(const PalRing&) = delete;
    PalRing& operator=(const PalRing&) = delete;

    /// What the entries' stamps are. Kept here, because the clock may be gone before the ring is empty.
    enum class Stamps : std::uint8_t { tsc, monotonic_ns, virtual_ns };
    Stamps stamps() const noexcept { return stamps_; }
    bool takes_ticks() const noexcept { return ticks_; }
    /// The writer that it was made for.
    const void* owner() const noexcept { return owner_; }

    // ---- the producer ----

    /// From here on: the next transition has seq `position` + 1. Before the first push.
    void attach(std::uint64_t worker, std::uint64_t position) noexcept {
        worker_ = worker;
        start_seq_ = position;
    }
    /// Copies an event in, or counts it as dropped. The consumer's line is read only when the ring seems full: so at
    /// each dropped event, for the place that the consumer frees must be found by the next one.
    void push(EventId id, std::uint64_t ticks, const void* event, std::size_t bytes) noexcept;

    /// How many events of that size fit into what is left of half the ring: what can wait leaves the other half to what
    /// cannot.
    std::size_t fit_in_half(std::size_t event_bytes) const noexcept;

    /// The place of an event, where there is room without more ado; null: push() it. Fill it, then commit() it. An
    /// event that is built where it stays is not copied, which costs as much as all the rest.
    template <typename Event>
    Event* begin(EventId id) noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        constexpr std::size_t kNeed = entry_bytes(sizeof(Event));
        if (head + kNeed > easy_to_) [[unlikely]]
            return nullptr;
        Header& entry = place(head);
        entry = {0, static_cast<std::uint32_t>(kNeed), static_cast<std::uint8_t>(id), {}};
        return reinterpret_cast<Event*>(&entry + 1);
    }
    template <typename Event>
    void commit(Event* event, std::uint64_t ticks) noexcept {
        (reinterpret_cast<Header*>(event) - 1)->ticks = ticks;
        // release: the consumer that sees the head sees the entry
        head_.store(head_.load(std::memory_order_relaxed) + entry_bytes(sizeof(Event)), std::memory_order_release);
    }

    // ---- the consumer ----

    /// What had been dropped when it was asked: read it before `head`, then all that was pushed before is seen there.
    struct Dropped {
        std::uint64_t up_to_seq;  ///< the last transition that was dropped; 0 = none
        std::uint64_t others;     ///< events that are no transitions
    };
    Dropped dropped() const noexcept {
        // acquire: what was pushed before the drop is seen in head()
        return {dropped_to_.load(std::memory_order_acquire), dropped_others_.load(std::memory_order_relaxed)};
    }
    std::uint64_t head() const noexcept { return head_.load(std::memory_order_acquire); }
    /// These two are valid once head() or dropped().up_to_seq is not 0.
    std::uint64_t worker() const noexcept { return worker_; }
    std::uint64_t start_seq() const noexcept { return start_seq_; }
    std::uint64_t tail() const noexcept { return tail_.load(std::memory_order_relaxed); }
    std::size_t capacity() const noexcept { return capacity_; }
    /// Whether all that came is told, and nothing was ever dropped. Any thread that knows that nothing comes any more.
    bool is_told() const noexcept {
        // acquire: what the consumer did up to there is over
        return tail_.load(std::memory_order_acquire) == head() && dropped().up_to_seq == 0 && dropped().others == 0;
    }

    /// The entry at `tail()`, which lies before head().
    const Header& front() const noexcept { return *reinterpret_cast<const Header*>(bytes_ + (tail() & mask_)); }
    static const std::byte* event_of(const Header& header) noexcept {
        return reinterpret_cast<const std::byte*>(&header) + sizeof(Header);
    }
    void pop() noexcept { tail_.store(tail() + front().bytes, std::memory_order_release); }

    // ---- whoever holds the lock of the writer ----

    /// The worker is gone: nothing comes any more.
    std::atomic<bool> orphaned{false};
    /// The generation from which on no worker uses it; 0 = it is in use.
    std::atomic<std::uint32_t> retired_at{0};

  private:
    Header& place(std::uint64_t position) noexcept { return *reinterpret_cast<Header*>(bytes_ + (position & mask_)); }

    // constant
    std::byte* bytes_ = nullptr;
    std::size_t capacity_ = 0;
    std::uint64_t mask_ = 0;
    std::size_t usable_ = 0;  // by all but WorkerStopped
    bool ticks_ = false;
    Stamps stamps_ = Stamps::tsc;
    const void* owner_ = nullptr;

    // writer: the producer
    alignas(64) std::atomic<std::uint64_t> head_{0};
    std::uint64_t seen_tail_ = 0;  // the producer's own copy, so that the consumer's line is read now and then only
    std::uint64_t easy_to_ = 0;  // up to here there is room, and the ring's end is not reached: as the last push found
    std::uint64_t worker_ = 0;   // these two: before the first push
    std::uint64_t start_seq_ = 0;
    std::atomic<std::uint64_t> dropped_to_{0};
    std::atomic<std::uint64_t> dropped_others_{0};

    // writer: the consumer
    alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace tiffany::detail
