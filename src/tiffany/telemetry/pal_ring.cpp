#include "pal_ring.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <string_view>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/detail/shard.hpp>
#include <tiffany/tracepoints/event_structs.hpp>

namespace tiffany::detail {
namespace {

constexpr std::size_t kLeastBytes = 4096;
constexpr std::size_t kMostBytes = std::size_t{1} << 31;

// Room that only WorkerStopped may use, so that a full ring still tells where its worker ended: the entry, and the
// padding before it if it does not fit at the end, which is then shorter than the entry.
constexpr std::size_t kStopBytes = 2 * PalRing::entry_bytes(sizeof(tiffany_worker_stopped));

// The transitions' structs begin alike.
struct TransitionHead {
    std::uint64_t worker;
    std::uint64_t tid;
    std::uint64_t seq;
    std::uint64_t step;
};

PalRing::Stamps stamps_of(const Clock& clock) noexcept {
    const std::string_view name = clock.name();
    if (name == "tsc") return PalRing::Stamps::tsc;
    return name == "virtual" ? PalRing::Stamps::virtual_ns : PalRing::Stamps::monotonic_ns;
}

}  // namespace

PalRing::PalRing(std::size_t bytes, const Clock& clock, bool ticks, const void* owner)
    : capacity_{std::bit_ceil(std::clamp(bytes, kLeastBytes, kMostBytes))},
      mask_{capacity_ - 1},
      usable_{capacity_ - kStopBytes},
      ticks_{ticks},
      stamps_{stamps_of(clock)},
      owner_{owner} {
    // populated: a hook must not run into a page that is not there
    void* memory = mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc{};
    bytes_ = static_cast<std::byte*>(memory);
}

PalRing::~PalRing() {
    munmap(bytes_, capacity_);
}

void PalRing::push(EventId id, std::uint64_t ticks, const void* event, std::size_t event_bytes) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::size_t need = entry_bytes(event_bytes);
    const std::size_t to_end = capacity_ - (head & mask_);
    const std::size_t padding = need > to_end ? to_end : 0;
    const std::size_t usable = id == EventId::WorkerStopped ? capacity_ : usable_;
    if (head + padding + need - seen_tail_ > usable) {
        // acquire: the consumer has read what lay there
        seen_tail_ = tail_.load(std::memory_order_acquire);
        if (head + padding + need - seen_tail_ > usable) {
            if (static_cast<std::size_t>(id) < kTransitions) {
                TransitionHead transition;
                std::memcpy(&transition, event, sizeof transition);
                dropped_to_.store(transition.seq, std::memory_order_release);
            } else {
                add(dropped_others_, 1);
            }
            return;
        }
    }
    if (padding != 0) place(head) = {0, static_cast<std::uint32_t>(padding), kPadding, {}};
    Header& entry = place(head + padding);
    entry = {ticks, static_cast<std::uint32_t>(need), static_cast<std::uint8_t>(id), {}};
    std::memcpy(&entry + 1, event, event_bytes);
    // release: the consumer that sees the head sees the entry
    head_.store(head + padding + need, std::memory_order_release);
    easy_to_ = std::min(seen_tail_ + usable_, ((head + padding) | mask_) + 1);
}

std::size_t PalRing::fit_in_half(std::size_t event_bytes) const noexcept {
    const std::uint64_t used = head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire);
    return used >= capacity_ / 2 ? 0 : (capacity_ / 2 - used) / entry_bytes(event_bytes);
}

}  // namespace tiffany::detail
