#pragma once
/// The hooks without telemetry: they do nothing, and leave no instruction. Included by tiffany/telemetry/worker.hpp.

#include <cstdint>
#include <string_view>
#include <tiffany/telemetry/off/stamp.hpp>
#include <tiffany/telemetry/off/task_times.hpp>

namespace tiffany {
inline namespace off {

class Worker {
  public:
    constexpr Worker() = default;
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void spawned(TaskTimes&, const SpawnInfo&, Stamp = {}) noexcept {}
    void ready(TaskTimes&, WakeCause, std::uint64_t = 0, std::uint64_t = 0, Stamp = {}) noexcept {}
    void running(TaskTimes&, Stamp = {}) noexcept {}
    void yield(TaskTimes&, Stamp = {}) noexcept {}
    void sleep(TaskTimes&, std::uint64_t, Stamp = {}) noexcept {}
    void iowait(TaskTimes&, std::uint64_t, Stamp = {}) noexcept {}
    void join(TaskTimes&, std::uint64_t, Stamp = {}) noexcept {}
    void wait(TaskTimes&, WaitReason, std::uint64_t, Stamp = {}) noexcept {}
    void throttled(TaskTimes&, std::uint64_t, Stamp = {}) noexcept {}
    void done(TaskTimes&, Stamp = {}) noexcept {}
    void failed(TaskTimes&, std::string_view, Stamp = {}) noexcept {}
    void cancelled(TaskTimes&, CancelCause, std::uint64_t = 0, Stamp = {}) noexcept {}

    void note(TaskTimes&, std::string_view, std::string_view) noexcept {}

    static constexpr bool listens() noexcept { return false; }
    static constexpr Stamp now() noexcept { return {}; }
    static constexpr bool is_dumping() noexcept { return false; }
    static constexpr std::uint64_t ns_between(Stamp, Stamp) noexcept { return 0; }

    void park() noexcept {}
    void unpark() noexcept {}
    static constexpr std::uint64_t longest_park_ns() noexcept { return 1'000'000'000; }

    static constexpr bool ticks_silently() noexcept { return true; }
    class Tick {
      public:
        Tick(Worker&, const TaskTimes&) noexcept {}
        ~Tick() {}  // NOLINT(modernize-use-equals-default): not trivial, an unused one is no warning here either
        Tick(const Tick&) = delete;
        Tick& operator=(const Tick&) = delete;
    };

    static constexpr std::uint64_t id() noexcept { return 0; }
    static constexpr std::uint64_t seq() noexcept { return 0; }
    static constexpr std::uint64_t count(TaskEvent) noexcept { return 0; }
    static constexpr std::uint64_t transitions() noexcept { return 0; }
    static constexpr std::uint64_t lttng_left_out() noexcept { return 0; }
};

}  // namespace off
}  // namespace tiffany
