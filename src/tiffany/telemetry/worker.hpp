#pragma once
/// The hooks that a runtime calls, one for each transition of a task.
///
///     WorkerLease lease = telemetry.worker();        // this thread's
///     Worker& worker = *lease;
///     worker.spawned(task.times, "fetch page");      // first the hook,
///     queue.push(task);                              // then publish the task
///     ...
///     worker.running(task.times);
///     run(task);
///     worker.done(task.times);
///
/// All hooks: noexcept, no allocation, no lock, no system call but where LTTng may block; no cancellation point, and
/// errno stays, also while LTTng records. Nothing listens: the task's word and the worker's seq are kept, no clock is
/// read. Something listens: one clock read, or none if the caller hands on a stamp, then each listener's price.
///
/// The last argument of each, `at`: when it happened; unknown = the hook reads the clock. The times in events and
/// histograms are taken between these stamps. One from before the task's last transition, which another thread may have
/// called meanwhile, makes that time 1 ns; a task becomes ready no earlier than it began to wait.
///
/// Errors: none. A full sub-buffer discards the event, and `seq` shows the gap. A hook that does not fit the
/// task's state is the caller's bug: the event fires as called, and `paltrace check` says so.

#include <tiffany/telemetry/config.hpp>

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/worker.hpp>  // IWYU pragma: export
#else

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/detail/event_draft.hpp>
#include <tiffany/telemetry/detail/lttng_patience.hpp>
#include <tiffany/telemetry/detail/lttng_polls.hpp>
#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/detail/shard.hpp>
#include <tiffany/telemetry/spawn_info.hpp>
#include <tiffany/telemetry/stamp.hpp>
#include <tiffany/telemetry/task_times.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

struct tiffany_dump_task;

namespace tiffany {

namespace detail {
struct LttngCall;
class PalRing;
struct SchedulerCore;
struct Stall;
}  // namespace detail

/// One thread's stream of events: the single writer of its counters and of its `seq`.
///
/// Not shared: only the thread that took it calls the hooks. `id()`, `seq()` and `count()` may be called by any thread
/// while it is held: a worker that was given back may be gone.
class alignas(64) Worker {
  public:
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // ---- transitions ----

    /// A task begins its life: gives it its tid. Fires `Spawned`; state Ready, or Waiting if `info.waiting`.
    void spawned(TaskTimes& task, const SpawnInfo& info, Stamp at = {}) noexcept {
        task.tid_ = next_tid_ != end_tid_ ? next_tid_++ : first_of_new_tids();
        task.name_ = info.name;
        task.file_ = info.site.file;
        task.line_ = info.site.line;
        task.priority_ = info.priority;
        task.group_ = info.group;
        task.move(info.waiting ? TaskState::Waiting : TaskState::Ready,
                  info.waiting ? WaitKind::dependency : WaitKind::none);
        if (count_one()) [[unlikely]]
            on_spawned(task, info.parent, at);
    }

    /// A task that slept, waited or was throttled can run again. Called by whoever wakes it, on its own worker.
    /// @param waker    tid of the task that woke it; 0 = no task
    /// @param late_ns  how long after its deadline it was noticed, ns; 0 = no deadline, or in time
    void ready(TaskTimes& task, WakeCause cause, std::uint64_t waker = 0, std::uint64_t late_ns = 0,
               Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Ready, task.waited());
        if (count_one()) [[unlikely]]
            on_ready(task, before, at, cause, waker, late_ns);
    }

    /// This worker begins to run the task: Ready -> Running.
    void running(TaskTimes& task, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Running, WaitKind::none);
        if (count_one()) [[unlikely]]
            on_running(task, before, at);
    }

    /// The running task gives way: Running -> Ready.
    void yield(TaskTimes& task, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Ready, WaitKind::none);
        if (count_one()) [[unlikely]]
            on_yield(task, before, at);
    }

    /// The running task asks to sleep: Running -> Sleeping.
    /// @param dur_ns  time asked for, ns; 0 = until somebody wakes it
    void sleep(TaskTimes& task, std::uint64_t dur_ns, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Sleeping, WaitKind::sleep);
        if (count_one()) [[unlikely]]
            on_sleep(task, before, at, dur_ns);
    }

    /// The running task waits for input or output: Running -> Waiting.
    /// @param io  file descriptor or resource id
    void iowait(TaskTimes& task, std::uint64_t io, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Waiting, WaitKind::iowait);
        if (count_one()) [[unlikely]]
            on_iowait(task, before, at, io);
    }

    /// The running task waits for the end of the task `target`: Running -> Waiting.
    void join(TaskTimes& task, std::uint64_t target, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Waiting, WaitKind::join);
        if (count_one()) [[unlikely]]
            on_join(task, before, at, target);
    }

    /// The running task waits for another thing: Running -> Waiting.
    /// @param resource  which one: an id that the runtime chooses
    void wait(TaskTimes& task, WaitReason reason, std::uint64_t resource, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Waiting, WaitKind::wait);
        if (count_one()) [[unlikely]]
            on_wait(task, before, at, reason, resource);
    }

    /// The running task is past its quantum (park_ns = 0: it stays Ready) or its budget (Throttled for park_ns).
    void throttled(TaskTimes& task, std::uint64_t park_ns, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(park_ns == 0 ? TaskState::Ready : TaskState::Throttled,
                                               park_ns == 0 ? WaitKind::none : WaitKind::throttled);
        if (count_one()) [[unlikely]]
            on_throttled(task, before, at, park_ns);
    }

    /// The task returned: Running -> Finished.
    void done(TaskTimes& task, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Finished, WaitKind::none);
        if (count_one()) [[unlikely]]
            on_done(task, before, at);
    }

    /// An exception left the task: Running -> Failed.
    /// @param error  what it says; borrowed for the call, cut at 255 bytes
    void failed(TaskTimes& task, std::string_view error, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Failed, WaitKind::none);
        if (count_one()) [[unlikely]]
            on_failed(task, before, at, error);
    }

    /// The task ended by a cancellation: any live state -> Cancelled.
    /// @param canceller  tid of the task that asked for it; 0 = no task
    void cancelled(TaskTimes& task, CancelCause cause, std::uint64_t canceller = 0, Stamp at = {}) noexcept {
        const std::uint64_t before = task.move(TaskState::Cancelled, WaitKind::none);
        if (count_one()) [[unlikely]]
            on_cancelled(task, before, at, cause, canceller);
    }

    // ---- beside the transitions ----

    /// Tells what the application knows of the task: a trace id, a tenant. Fires `Note`; counts in no `seq` and no
    /// `step`, and changes nothing. Whoever may call hooks on the task now: its run, its spawner before it is
    /// published.
    /// @param key    what kind of thing it is; @param value  the thing. Borrowed for the call; UTF-8, cut at 31 and 127
    ///               bytes.
    /// Cost with nothing but metrics on: a load and a test; else a clock read, the text's copy and each listener's
    /// price.
    void note(TaskTimes& task, std::string_view key, std::string_view value) noexcept {
        if ((on_ & detail::kNotable) != 0) [[unlikely]]
            on_note(task, key, value);
    }

    // ---- the time, for several hooks ----

    /// Whether metrics, a tracer or a watch (SchedulerTelemetry::watch) take what the hooks tell. May be one tick old;
    /// a foreign thread's worker looks at every hook. The worker's own thread.
    bool listens() const noexcept { return (on_ & detail::kListeners) != 0; }
    /// The time for hooks that tell of one moment; unknown, and no clock read, if nothing listens. The worker's own
    /// thread. Cost: the on-word is tested; then one clock read.
    Stamp now() const noexcept { return listens() ? Stamp{clock_->ticks()} : Stamp{}; }
    /// From one moment to a later one, ns: at least 1 if both are known, 0 if one is not. Any thread.
    std::uint64_t ns_between(Stamp from, Stamp to) const noexcept {
        return from.known() && to.known() ? clock_->to_ns(to.ticks() - from.ticks()) : 0;
    }

    /// Whether the worker's next tick may take its time, to tell a tracer of live tasks, or, in a forked child, to
    /// count them: a stamp from before it is then not the time after it. The worker's own thread.
    bool is_dumping() const noexcept { return (on_ & detail::kDumping) != 0; }

    // ---- the worker's own ----

    /// No task to run: call before the thread blocks. Looks whether somebody new listens. Fires `worker_park`.
    /// A thread that may block for long wakes after `longest_park_ns()` and parks again, so that it is seen.
    /// While a tracer that came late is told of the live tasks: tells of some, as in a tick.
    void park() noexcept;
    /// How long the thread may block after `park`, at the most, ns: 1 s, or about half a millisecond while there are
    /// live tasks to tell a tracer of. The worker's own thread.
    std::uint64_t longest_park_ns() const noexcept { return is_dumping() ? detail::kDumpPauseNs : detail::kParkNs; }
    /// The thread goes on. Fires `worker_unpark`.
    void unpark() noexcept;

    /// Around each iteration of the scheduler's loop; fires `tiffany_tick:begin` and `tiffany_tick:end` if somebody
    /// listens to those, and looks whether somebody new listens to anything. While a tracer that came late is told of
    /// the live tasks, the tick of one worker tells of at most 256 of them (some 60 us with LTTng, half a millisecond
    /// with bpftrace), by calling the runtime's `TaskList`: its lock must not be held here.
    /// Cost with nothing on: a counter and two loads, and a test.
    class Tick {
      public:
        /// @param task  the task that is about to run
        Tick(Worker& worker, const TaskTimes& task) noexcept : worker_{worker} {
            if (!worker_.counts_down(~detail::kPlainTick)) worker_.begin_tick(task);
        }
        ~Tick() {
            if ((worker_.on_ & detail::kTickBits) != 0) worker_.end_tick();
        }
        Tick(const Tick&) = delete;
        Tick& operator=(const Tick&) = delete;

      private:
        Worker& worker_;
    };

    /// What a tick does while nobody listens, by a shorter way. Returns false if it has more to do: make a `Tick` then.
    /// After true the time, `now`, is unknown for the whole iteration. The worker's own thread.
    /// Cost: a counter and two loads.
    bool ticks_silently() noexcept { return counts_down(~0u); }

    /// instance (48 bits) and index (16 bits): unique in the world for all practical purposes. Any thread.
    std::uint64_t id() const noexcept { return draft_.worker.load(std::memory_order_relaxed); }
    /// Transitions so far. Any thread; may be one late.
    std::uint64_t seq() const noexcept { return draft_.seq.load(std::memory_order_relaxed); }
    /// Transitions of one kind since the worker was made, counted while metrics are on. Any thread; may be one late.
    std::uint64_t count(TaskEvent event) const noexcept;
    /// Transitions since the worker was made, or in a forked child since the fork. Any thread; may be one late.
    std::uint64_t transitions() const noexcept { return seq() - first_seq_; }
    /// LTTng events left out because a blocking channel's consumer seems dead, or another worker has had no CPU in the
    /// middle of an event for long. Any thread.
    std::uint64_t lttng_left_out() const noexcept { return lttng_left_out_.load(std::memory_order_relaxed); }

  private:
    friend struct detail::SchedulerCore;
    friend class TaskTaker;
    explicit Worker(detail::SchedulerCore& core) noexcept;
    ~Worker() = default;

    /// Counts a transition. Returns whether anything listens. relaxed: only this thread writes; a scrape may read one
    /// transition late.
    bool count_one() noexcept {
        draft_.seq.store(seq() + 1, std::memory_order_relaxed);
        return on_ != 0;
    }

    // the parts that run when something listens
    std::uint64_t first_of_new_tids() noexcept;
    void on_spawned(TaskTimes& task, std::uint64_t parent, Stamp at) noexcept;
    void on_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause, std::uint64_t waker,
                  std::uint64_t late_ns) noexcept;
    void on_running(TaskTimes& task, std::uint64_t before, Stamp at) noexcept;
    void on_yield(TaskTimes& task, std::uint64_t before, Stamp at) noexcept;
    void on_sleep(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t dur_ns) noexcept;
    void on_iowait(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t io) noexcept;
    void on_join(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t target) noexcept;
    void on_wait(TaskTimes& task, std::uint64_t before, Stamp at, WaitReason reason, std::uint64_t resource) noexcept;
    void on_throttled(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t park_ns) noexcept;
    void on_done(TaskTimes& task, std::uint64_t before, Stamp at) noexcept;
    void on_failed(TaskTimes& task, std::uint64_t before, Stamp at, std::string_view error) noexcept;
    void on_cancelled(TaskTimes& task, std::uint64_t before, Stamp at, CancelCause cause,
                      std::uint64_t canceller) noexcept;
    void on_note(TaskTimes& task, std::string_view key, std::string_view value) noexcept;

    template <typename Event>
    Event event_of(const TaskTimes& task) const noexcept;
    template <typename Event>
    void set_head(Event& event, const TaskTimes& task) const noexcept;
    template <typename Event>
    void fire(EventId id, const Event& event, std::uint64_t now) noexcept;
    template <typename Event, typename Fill>
    void fire_filled(EventId id, std::uint64_t now, const TaskTimes& task, const Fill& fill) noexcept;
    template <typename Event>
    Event& draft() noexcept;
    /// The functions that take an event by pointer, by EventId. volatile: see usdt_probes.hpp.
    using Tracer = void (*const volatile*)(const void* event) noexcept;
    Tracer sole_tracer(std::uint32_t tracers) const noexcept;
    detail::PalRing* sole_ring(std::uint32_t tracers) const noexcept;
    template <typename Event, typename Measure>
    bool fire_at_once(EventId id, const TaskTimes& task, std::uint64_t before, Stamp at,
                      const Measure& measure) noexcept;
    template <typename Event>
    void fire(EventId id, const Event& event, Stamp at = {}) noexcept;
    template <typename Event>
    void fire_tick(EventId id, const Event& event) noexcept;
    void fire_lttng(EventId id, const void* event) noexcept;
    void call_lttng_timed(EventId id, const void* event) noexcept;
    void renew_patience(std::uint32_t session) noexcept;
    void give_up_if_over() noexcept;
    void leave_out_of_lttng() noexcept;

    // what the hooks share
    bool enter_hook() noexcept;
    bool enter_specially(std::uint64_t position) noexcept;
    std::uint64_t moment(Stamp at) const noexcept;
    std::uint64_t quick_moment(Stamp at) const noexcept;
    void count(TaskTimes& task, std::uint64_t before, detail::Move move) noexcept;
    [[gnu::noinline]] void count_inherited(TaskTimes& task, std::uint64_t before, detail::Move move) noexcept;
    struct Delays {
        std::uint64_t ready_ns;
        std::uint64_t wait_ns;
    };
    void keep_run(const TaskTimes& task, std::uint64_t now) noexcept;
    void forget_run() noexcept;
    Delays begin_run(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept;
    void observe(const TaskTimes& task, WaitKind waited, Delays delays) noexcept;
    [[gnu::noinline]] void observe_both(const TaskTimes& task, WaitKind waited, Delays delays) noexcept;
    [[gnu::noinline]] void trace_running(TaskTimes& task, std::uint64_t before, Stamp at) noexcept;
    [[gnu::noinline]] void tell_running(TaskTimes& task, std::uint64_t before, Stamp at) noexcept;
    static std::uint64_t become_ready(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept;
    [[gnu::noinline]] void trace_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause,
                                       std::uint64_t waker, std::uint64_t late_ns) noexcept;
    [[gnu::noinline]] void tell_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause,
                                      std::uint64_t waker, std::uint64_t late_ns) noexcept;
    std::uint64_t end_run(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept;
    void observe_run(const TaskTimes& task, std::uint64_t run_ns) noexcept;
    [[gnu::noinline]] void measure_run(TaskTimes& task, std::uint64_t before, std::uint64_t now,
                                       detail::Move move) noexcept;
    std::uint64_t end_told_run(TaskTimes& task, std::uint64_t before, std::uint64_t now, detail::Move move) noexcept;
    template <typename Event, typename Own>
    void end_run_with(detail::Move move, TaskTimes& task, std::uint64_t before, Stamp at, const Own& own) noexcept;
    template <typename Event, typename Own>
    [[gnu::noinline]] void trace_run(detail::Move move, TaskTimes& task, std::uint64_t before, Stamp at,
                                     Own own) noexcept;
    template <typename Event, typename Own>
    [[gnu::noinline]] void tell_run(detail::Move move, TaskTimes& task, std::uint64_t before, Stamp at,
                                    Own own) noexcept;
    static std::uint64_t stamp_of(const TaskTimes& task, std::uint64_t before) noexcept;
    static void stamp(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept;

    // keeping the on-word up to date; `position`: the last seq whose event has fired
    /// A tick that only counts down to the next look: none of those bits is on, and that is still so.
    bool counts_down(std::uint32_t bits) noexcept {
        if ((on_ & bits) != 0 || ticks_to_look_ <= 1) return false;
        // relaxed: what the new generation is about is read where it is acquired
        if (generation_ != process_generation_->load(std::memory_order_relaxed)) return false;
        --ticks_to_look_;
        return true;
    }
    void begin_tick(const TaskTimes& task) noexcept;
    void end_tick() noexcept;
    void look() noexcept;
    void end_park() noexcept;
    void catch_up(std::uint64_t position, bool may_have_spawned = true, Stamp at = {}) noexcept;
    void drop_what_is_off() noexcept;
    std::uint32_t take_rings(std::uint64_t position) noexcept;
    void make_on_word(std::uint64_t position) noexcept;
    void announce(std::uint64_t position) noexcept;
    void join_lttng_calls() noexcept;
    void lend_lttng_call() noexcept;
    template <typename Event>
    Event event_of_worker(std::uint64_t position) const noexcept;
    void fire_started(std::uint64_t position, Stamp at = {}) noexcept;
    void tell_group(std::uint16_t number, const char* name, Stamp at) noexcept;

    // state dumps: dump.cpp
    void introduce(TaskTimes& task, std::uint64_t before, std::uint64_t age_ns) noexcept;
    [[gnu::noinline]] void tell_task(TaskTimes& task, std::uint64_t before, std::uint64_t age_ns) noexcept;
    void begin_dump(std::uint64_t position, bool may_have_spawned, Stamp at) noexcept;
    void join_dump(bool may_have_spawned) noexcept;
    bool finds_dump_open() const noexcept;
    bool takes_dump_turn() noexcept;
    void begin_pass() noexcept;
    [[gnu::noinline]] void dump_some() noexcept;
    bool ends_dump(std::uint64_t told) noexcept;
    void abandon_dump() noexcept;
    void list_inherited(TaskTimes& task) noexcept;
    bool is_stuck(bool went_on, std::uint64_t now_ns) noexcept;
    void fire_dump(std::uint64_t position, DumpPhase phase, std::uint64_t tasks, Stamp at = {}) noexcept;
    void fire_task(const tiffany_dump_task& event) noexcept;

    // for SchedulerCore; the first two: any thread; is_stalled: whoever holds workers_mutex
    std::uint64_t busy_ns() const noexcept;
    std::uint64_t current_run_ns() const noexcept;
    bool is_stalled(std::uint64_t bound_ns, detail::Stall& stall) noexcept;
    bool tell_stall(const detail::Stall& stall, Stamp at) noexcept;
    Stamp start(bool has_loop) noexcept;
    void tell_started(bool has_loop, Stamp at) noexcept;
    void get_loop() noexcept;
    void begin_busy_stretch(std::uint64_t now) noexcept;
    void settle() noexcept;
    void tell_stopped(Stamp at) noexcept;
    void end_busy_stretch(std::uint64_t now) noexcept;
    void become_child(std::uint64_t instance, bool held) noexcept;

    // ---- the hot line; writer: this worker's thread ----
    detail::EventDraft draft_;         // its id, its seq, and what of its last event is no use any more
    std::uint32_t on_ = 0;             // what listens: the bits of detail/on_word.hpp
    std::uint32_t ticks_to_look_ = 1;  // ticks until the clock is read to see whether a look is due
    // ---- the next one ----
    std::uint64_t next_tid_ = 0;
    std::uint64_t end_tid_ = 0;
    detail::SchedulerCore* core_;
    Clock* clock_;
    const std::atomic<std::uint32_t>* process_generation_;
    std::uint32_t generation_ = 0;                                     // the generation that on_ was made for
    std::uint32_t thread_ = 0;                                         // its thread's id, as the process sees it
    void (*const* lttng_fire_)(const void* event) noexcept = nullptr;  // LTTng's table; valid while on_ has kLttng

    detail::Shard shard_;

    // ---- writer: this worker's thread ----
    std::uint64_t first_seq_ = 0;              // seq is an index's: it goes on from its last worker's
    std::uint64_t on_seq_ = 1;                 // first seq since LTTng was last seen off
    detail::LttngPatience patience_;           // with LTTng's consumer, in this session
    detail::LttngPolls polls_;                 // of LTTng, for that consumer
    detail::LttngCall* lttng_call_ = nullptr;  // its place among all workers' calls, if LTTng may block
    std::uint32_t session_ = 0;                // Process::lttng_sessions() when on_ was made
    std::uint64_t looked_ns_ = 0;              // when it last read the clock to see whether a look is due
    std::uint32_t ticks_per_look_ = 1;         // how many ticks it then was to let pass: look_pace.hpp
    std::uint64_t last_run_ns_ = 0;            // of the run that ended in this tick
    std::uint64_t tick_tid_ = 0;               // the task of this tick
    TaskState last_state_ = TaskState::None;   // what that run left its task in
    bool lists_ = false;                       // these while on_ has kDumping: it lists, or would in its next tick;
    std::uint32_t dump_late_ = 0;              // who came late before this pass,
    std::uint64_t dump_cursor_ = 0;            // where the pass goes on,
    std::uint64_t dumped_ = 0;                 // tasks told since the dump began,
    std::uint64_t dump_due_ns_ = 0;            // and when the next part is due, CLOCK_MONOTONIC
    std::uint64_t stuck_since_ns_ = 0;         // likewise: since when the runtime lists nothing; 0 = it does
    std::atomic<std::uint64_t> lttng_left_out_{0};
    std::array<detail::PalRing*, detail::kPalExits> ring_{};  // by PalExit; valid while on_ has its bit
    std::atomic<std::uint32_t> made_for_{0};                  // generation_, told to who wants to free a ring

    // ---- writer: whoever holds the process's workers_mutex ----
    alignas(64) std::array<std::atomic<detail::PalRing*>,
                           detail::kPalExits> offered_ring_{};  // to use from the next generation on
    std::vector<std::shared_ptr<detail::PalRing> > rings_;      // those, and what it may still use
    std::uint64_t busy_told_ns_ = 0;                            // the largest busy time that a scrape was told
    detail::ToldPending told_pending_{};                        // what a scrape told that was pending
    detail::ToldPending told_pending_waits_{};
    std::uint64_t left_out_kept_ = 0;        // lttng_left_out(), as it was added up when the scheduler was closed
    std::uint64_t run_delay_before_ns_ = 0;  // of the threads that gave it back
    std::uint64_t run_delay_told_ns_ = 0;    // with that of its thread, as it was read last
    bool run_delay_known_ = false;           // it was read
    std::uint64_t stall_told_ = 0;           // ticks: when the run began that was told as stalled last
};

}  // namespace tiffany

#endif
