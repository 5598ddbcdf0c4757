#pragma once
/// What scheduler_bench measures, for each scheduler that can do it. All give the same answers: `check` says which.

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bench {

struct Setup {
    std::size_t tasks = 0;
    std::size_t times = 0;  ///< what each task does so often
    unsigned workers = 1;   ///< of a pool
    bool metrics = false;   ///< of ours, when it has hooks
};

struct Bytes {
    double resident = 0;   ///< by which the process grew, a task
    double allocated = 0;  ///< by which malloc's own count grew, a task
};

/// Costs: CPU time, ns an operation. Null: this scheduler has no such thing.
struct Cases {
    /// What the order of some yields, sleeps and posts adds up to.
    std::uint64_t (*check)(bool metrics) = nullptr;
    /// One thread: a task gives way to the next.
    double (*yield)(const Setup&) = nullptr;
    /// The same, in an order that has nothing to do with where the tasks lie.
    double (*yield_shuffled)(const Setup&) = nullptr;
    /// One thread: a task that ends at once is spawned and run.
    double (*spawn)(const Setup&) = nullptr;
    /// One thread: all tasks fall asleep, each wakes at a time of its own, out of order.
    double (*sleep)(const Setup&) = nullptr;
    /// One thread gives functions to another: CPU time of both.
    double (*post)(const Setup&) = nullptr;
    /// As yield, at several threads: CPU time of all.
    double (*pool_yield)(const Setup&) = nullptr;
    /// A task that sleeps.
    Bytes (*asleep)(const Setup&) = nullptr;
};

/// All are asleep before the first one wakes, as a rule; they wake one after the other in the time behind that.
inline constexpr std::uint64_t kFirstWakeNs = 1'000'000'000;
inline constexpr std::uint64_t kWakesNs = 1'000'000'000;

inline std::uint64_t cpu_ns(clockid_t whose = CLOCK_THREAD_CPUTIME_ID) {
    timespec now{};
    clock_gettime(whose, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

/// The CPU time of this thread, or of the process, from here on.
class Spent {
  public:
    explicit Spent(clockid_t whose = CLOCK_THREAD_CPUTIME_ID) : whose_{whose}, begin_{cpu_ns(whose)} {}
    double ns_each(std::size_t operations) const {
        return static_cast<double>(cpu_ns(whose_) - begin_) / static_cast<double>(operations);
    }

  private:
    clockid_t whose_;
    std::uint64_t begin_;
};

/// xorshift: the same times for every scheduler.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15u + 1} {}
    std::uint64_t below(std::uint64_t bound) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ % bound;
    }

  private:
    std::uint64_t state_;
};

/// One order for every scheduler.
template <typename T>
void shuffle(std::vector<T>& all) {
    Random random{1};
    for (std::size_t i = all.size(); i > 1; --i)
        std::swap(all[i - 1], all[static_cast<std::size_t>(random.below(i))]);
}

/// What came in which order.
class Order {
  public:
    void add(std::uint64_t what) { sum_ = (sum_ ^ what) * 0x100000001b3u; }
    std::uint64_t sum() const { return sum_; }

  private:
    std::uint64_t sum_ = 0xcbf29ce484222325u;
};
inline constexpr std::uint64_t kCheckTasks = 5;
inline constexpr std::uint64_t kCheckTimes = 3;
/// When the tasks of the check wake, in ms from its begin: the first one last.
inline constexpr std::uint64_t check_deadline_ms(std::uint64_t task) {
    return 50 + 10 * (kCheckTasks - task);
}

/// The growth of the process since it was made.
class Growth {
  public:
    Growth();
    Bytes each(std::size_t operations) const;

  private:
    std::uint64_t resident_;
    std::uint64_t allocated_;
};

const Cases& bare_cases();        ///< a queue and coroutines, nothing else
const Cases& walk_cases();        ///< the memory of sleepers, visited as sleeping and waking must, nothing else
const Cases* asio_cases();        ///< null: Boost.Asio was not there
const Cases* asio_timer_cases();  ///< timers without coroutines

}  // namespace bench

/// Ours, compiled with hooks into the program, and without into a module of its own.
extern "C" __attribute__((visibility("default"))) const bench::Cases* tiffany_scheduler_cases();
