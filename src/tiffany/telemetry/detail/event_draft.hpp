#pragma once
/// The next event of a worker, as far as it is known before it happens.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tiffany::detail {

/// Laid out as the structs of all transitions begin (event_structs.hpp; worker.cpp asserts it), with room for what most
/// of them have of their own: who a worker is and its `seq` lie where an event has them, so that a hook stores what is
/// new and copies nothing.
struct EventDraft {
    std::atomic<std::uint64_t> worker{0};
    std::uint64_t tid = 0;
    std::atomic<std::uint64_t> seq{0};  // up to date after each hook, whoever listens
    std::uint64_t step = 0;
    alignas(std::uint64_t) std::array<std::byte, 24> own{};
};
static_assert(sizeof(EventDraft) == 56 && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace tiffany::detail
