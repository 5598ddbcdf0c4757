#pragma once
/// The list of live tasks without telemetry: nobody calls it. Included by tiffany/telemetry/task_list.hpp.

#include <cstdint>
#include <tiffany/telemetry/off/task_times.hpp>

namespace tiffany {
inline namespace off {

class TaskTaker {
  public:
    static constexpr bool wants_more() noexcept { return false; }
    static constexpr void take(TaskTimes&) noexcept {}
};

class TaskList {
  public:
    static constexpr std::uint64_t kEnd = ~std::uint64_t{0};
    virtual std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept = 0;

  protected:
    TaskList() = default;
    TaskList(const TaskList&) = default;
    TaskList& operator=(const TaskList&) = default;
    ~TaskList() = default;
};

}  // namespace off
}  // namespace tiffany
