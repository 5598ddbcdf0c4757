#pragma once
/// What a suspended task waits with. It lies in the awaiter, so in the coroutine's frame: to suspend allocates nothing,
/// and a task that does not wait has no room for it.

#include <cstdint>
#include <tiffany/scheduler/detail/chain.hpp>

namespace tiffany::detail {

class WaitList;

/// `quota` and `dependencies` are never asked for: a yield past the budget waits with the first, a spawn begins with
/// the other.
enum class WaitsFor : std::uint8_t { yield, sleep_for, sleep_until, wake, io, join, listed, quota, dependencies };

/// A suspension, with the time at which it ends at the latest. Writer: the thread that runs the task; from the moment
/// it is suspended, whoever holds the scheduler's lock.
struct Operation {
    explicit Operation(WaitsFor what) noexcept : waits_for{what} {}
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    static constexpr std::uint64_t kNever = ~std::uint64_t{0};

    Chain* chain = nullptr;
    WaitsFor waits_for;
    bool timed_out = false;
    bool timed = false;         // its task is in the timer wheel
    std::int32_t fd = -1;       // io: the descriptor
    std::uint64_t time_ns = 0;  // how long, or until when
};

/// A wait in a list: for a task's end, a descriptor, or a thing that tasks share.
struct ListedOperation : Operation {
    using Operation::Operation;

    WaitList* list = nullptr;  ///< the one it is in
    ListedOperation* before = nullptr;
    ListedOperation* after = nullptr;
};

}  // namespace tiffany::detail
