#pragma once
/// How long the kernel let threads wait for a CPU, as /proc/self/task/TID/schedstat tells it: without root, and not at
/// all where the kernel was built without CONFIG_SCHED_INFO, or /proc is not there.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tiffany::detail {

/// ns since the thread began; nothing where the kernel does not say, or the file cannot be opened now.
/// @param tasks  the folder of the threads
/// Any thread. Cost: opens, reads and closes a file.
std::optional<std::uint64_t> run_delay_ns(std::uint32_t thread, const char* tasks = "/proc/self/task") noexcept;

/// The delays of many threads, read without a lock for who adds them up with one. Not shared.
class RunDelays {
  public:
    /// @param hold  the number of a thread's hold on a worker: a thread's id is used again
    /// Errors: std::bad_alloc.
    void want(std::uint64_t hold, std::uint32_t thread) { all_.push_back({hold, thread, std::nullopt}); }
    /// A file takes some 7 us: of more threads a snapshot reads so many, the next one those after them. What is not
    /// read is told as it was.
    static constexpr std::size_t kMostRead = 128;
    /// Reads what is wanted. Returns whether the kernel told of any, or, if none is wanted, of the caller.
    /// @param turn  where those begin that are read when there are too many: one for each set of threads that is asked
    ///              for again and again, or each of two sets could always get the same ones
    bool read(std::atomic<std::size_t>& turn) noexcept;
    /// After read().
    std::optional<std::uint64_t> of(std::uint64_t hold) const noexcept;

  private:
    struct One {
        std::uint64_t hold;
        std::uint32_t thread;
        std::optional<std::uint64_t> ns;
    };
    std::vector<One> all_;
};

}  // namespace tiffany::detail
