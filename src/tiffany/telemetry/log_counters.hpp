#pragma once
/// What became of the log, while it is counted. Writer: the log's thread; readers: any.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "counter.hpp"

namespace tiffany::detail {

struct LogCounters {
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> files{0};
    std::atomic<std::uint64_t> left_out{0};         // transitions that the file could not take
    std::atomic<std::uint64_t> left_out_others{0};  // the same of other events
    std::atomic<std::uint64_t> readers{0};          // now
    std::atomic<std::uint64_t> readers_left_out{0};
    std::atomic<std::uint64_t> readers_refused{0};
    std::atomic<int> error{0};  // errno of the last write that failed; 0 once it works again

    /// The name that was taken; another one if it had to be given up.
    /// Errors: std::bad_alloc.
    void set_where(std::string name) {
        const std::lock_guard lock{where_mutex_};
        where_ = std::move(name);
    }
    std::string where() const {
        const std::lock_guard lock{where_mutex_};
        return where_;
    }

  private:
    mutable std::mutex where_mutex_;
    std::string where_;
};

}  // namespace tiffany::detail
