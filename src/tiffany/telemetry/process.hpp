#pragma once
/// What all schedulers of a process share: its identity, the generation word, who listens, and what a fork changes.

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/scheduler_telemetry.hpp>
#include <tiffany/tracepoints/lttng_table.hpp>
#include <utility>
#include <vector>

#include "dead_consumer.hpp"
#include "ended_schedulers.hpp"
#include "log_control.hpp"
#include "lttng_calls.hpp"
#include "pal_hub.hpp"

namespace tiffany::detail {

struct SchedulerCore;

/// Thread-safe. Lives until the process ends.
class Process {
  public:
    static Process& get() noexcept;

    // ---- identity ----

    /// 48 random bits, drawn at the first use and in a forked child. Never 0.
    std::uint64_t instance() const noexcept { return instance_.load(std::memory_order_relaxed); }

    struct Index {
        std::uint16_t index;
        std::uint64_t seq;  ///< the last one that this index used: whoever gets it goes on from there
    };
    /// Kept, because asking for it is a system call.
    std::uint32_t pid() const noexcept { return pid_.load(std::memory_order_relaxed); }

    /// Indices that workers have, those included that nobody holds. Locks.
    std::uint32_t indices_in_use() noexcept;
    /// An index for a worker; nothing when all 65,536 are in use. Errors: std::bad_alloc.
    std::optional<Index> take_index();
    void give_index(Index index) noexcept;

    /// The first of `count` new tids.
    std::uint64_t take_tids(std::uint64_t count) noexcept {
        return next_tid_.fetch_add(count, std::memory_order_relaxed);
    }

    /// In a forked child: all tasks with a lesser tid are inherited. 0 = this is no forked child.
    std::uint64_t first_own_tid() const noexcept { return first_own_tid_.load(std::memory_order_relaxed); }

    void count_refused() noexcept { refused_.fetch_add(1, std::memory_order_relaxed); }
    std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

    // ---- who listens ----

    /// Changes when somebody new may listen. acquire: what made the listener known is seen after it.
    const std::atomic<std::uint32_t>& generation_word() const noexcept { return generation_; }
    std::uint32_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }
    /// Returns the new one.
    std::uint32_t bump() noexcept { return generation_.fetch_add(1, std::memory_order_release) + 1; }

    /// Loads the LTTng provider, the first time. Errors: none; see status().
    void load_lttng() noexcept;
    const LttngTable* lttng() const noexcept { return lttng_.load(std::memory_order_acquire); }
    /// Whose events are enabled, or attached to, now: whatever workers have noticed.
    AttachedTracers attached() const noexcept;
    TracingStatus status() const noexcept { return status_.load(std::memory_order_acquire); }
    /// The program allows LTTng to block it: each call is timed.
    bool lttng_may_block() const noexcept { return lttng_may_block_; }
    LttngCalls& lttng_calls() noexcept { return lttng_calls_; }
    DeadConsumer& dead_consumer() noexcept { return dead_consumer_; }
    /// How many sessions have started, or asked for a state dump: one that moved is a new chance for who was given up.
    std::uint32_t lttng_sessions() const noexcept { return lttng_sessions_.load(std::memory_order_relaxed); }

    /// Looks whether somebody new listens, if 100 ms have passed since anybody looked; then bumps the generation.
    /// Also corrects the clock once a second. Cost: a coarse clock read; for the one that looks two dozen loads more.
    /// Returns what the coarse clock said, ns.
    std::uint64_t look(Clock& clock) noexcept;

    /// A worker found these off: bits of on_word.hpp for LTTng and USDT, others are passed over. If the next look finds
    /// them on, somebody new listens, though everything else is as the last look saw it.
    void found_off(std::uint32_t bits) noexcept;

    /// Where the events go that leave by rings: the sink that the program installed, and the log.
    PalHub& pal(PalExit exit) noexcept { return pal_[static_cast<std::size_t>(exit)]; }
    /// Starts the log that TIFFANY_PAL or configure() asks for, the first time; in a forked child once more.
    /// Cost after that: a load.
    void start_log() noexcept { log_.start(pal(PalExit::log)); }
    LogControl& log() noexcept { return log_; }

    // ---- schedulers ----

    void add(SchedulerCore& core);
    void remove(SchedulerCore& core) noexcept;
    /// Calls `each` with every scheduler, which stays while it is called. Locks.
    template <typename Each>
    void for_each_core(const Each& each) {
        const std::lock_guard lock{cores_mutex_};
        for (SchedulerCore* core : cores_)
            each(*core);
    }
    /// Calls `with` with all schedulers and what those that ended counted. Locks.
    template <typename With>
    void with_schedulers(const With& with) {
        const std::lock_guard lock{cores_mutex_};
        with(std::as_const(cores_), ended_schedulers_);
    }

    /// Whether a state dump of a scheduler has begun and not ended. Locks; not for a thread that holds a hub's lock.
    bool is_dumping() noexcept;

    /// Guards the lists of workers and the groups of every scheduler. One for all of them, so that a fork holds as many
    /// locks however many schedulers there are: ThreadSanitizer ends a program that holds more than 64.
    std::mutex& workers_mutex() noexcept { return workers_mutex_; }
    /// A number for a thread's hold on a worker. Whoever holds workers_mutex.
    std::uint64_t take_hold() noexcept { return ++last_hold_; }
    /// The kernel told of a thread's run delay once: it is of those that do.
    void set_run_delay_known() noexcept { run_delay_known_.store(true, std::memory_order_relaxed); }
    bool run_delay_known() const noexcept { return run_delay_known_.load(std::memory_order_relaxed); }

  private:
    Process() noexcept;
    /// Of all transitions' probes, or of the ticks': it counts attached probes.
    struct Semaphore {
        std::atomic<std::uint16_t> value{0};
        std::atomic<bool> rose{false};
        std::atomic<std::uint64_t> moved_ns{0};

        /// Whether it rose and has kept still since.
        bool look(std::uint16_t now, std::uint64_t now_ns) noexcept;
    };
    bool look_at_lttng() noexcept;
    void on_statedump() noexcept;
    void lock_all() noexcept;
    void unlock_all() noexcept;
    void become_child() noexcept;
    static void before_fork() noexcept;
    static void after_fork_in_parent() noexcept;
    static void after_fork_in_child() noexcept;

    // read at every tick, written when somebody new listens
    alignas(64) std::atomic<std::uint32_t> generation_{1};

    // read at every event, written at the start and in a forked child
    alignas(64) std::atomic<std::uint64_t> instance_{0};
    std::atomic<std::uint32_t> pid_{0};
    std::atomic<const LttngTable*> lttng_{nullptr};
    std::atomic<TracingStatus> status_{TracingStatus::not_tried};
    bool lttng_may_block_ = false;                  // written before lttng_
    std::atomic<std::uint32_t> lttng_sessions_{0};  // writer: LTTng's listener thread, before it moves generation_
    std::atomic<std::uint64_t> first_own_tid_{0};

    // written by many threads, now and then: on a line that no hook reads otherwise
    alignas(64) std::atomic<std::uint64_t> next_tid_{1};
    std::atomic<std::uint64_t> refused_{0};
    std::once_flag loaded_;

    // writer: whoever moved next_look_ns_ on
    std::atomic<std::uint64_t> next_look_ns_{0};
    std::atomic<std::uint64_t> next_correction_ns_{0};
    std::atomic<std::uint64_t> probes_hash_{0};      // also LTTng's listener thread
    std::atomic<std::uint32_t> lttng_found_off_{0};  // bits of on_word.hpp. Also a worker that finds something off
    Semaphore semaphore_;                            // likewise
    Semaphore tick_semaphore_;

    LttngCalls lttng_calls_;
    DeadConsumer dead_consumer_;

    // lock order: LTTng's; log_'s, cores_mutex_, workers_mutex_, indices_mutex_ or pal_'s
    std::array<PalHub, kPalExits> pal_;
    LogControl log_;
    std::mutex cores_mutex_;
    std::vector<SchedulerCore*> cores_;
    EndedSchedulers ended_schedulers_;  // behind cores_mutex_
    std::mutex workers_mutex_;
    std::uint64_t last_hold_ = 0;  // behind workers_mutex_
    std::atomic<bool> run_delay_known_{false};
    std::mutex indices_mutex_;
    std::vector<Index> free_indices_;
    std::uint32_t next_index_ = 0;
    const LttngTable* forking_ = nullptr;  // whose locks are held, too, while all of the above are held for a fork
    std::uint8_t forks_ = 0;  // in a row, each by the child before; at most kMostForks + 1. Writer: the fork handler
};

}  // namespace tiffany::detail
