// Every public function of the hooks, as docs/hooks.md shows it: an incompatible change of one does not compile here.
// It is compiled with the hooks and without them. With them it runs lawful lives on a clock of its own, in which every
// hook fires: the golden trace `lives` is made of it.
//
// Do not change a call to make it compile: docs/adr/0017-what-is-frozen.md. New functions get a call of their own.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace tiffany;

// What docs/hooks.md says of types: a runtime keeps the results in variables of these.
static_assert(noexcept(std::declval<Worker&>().spawned(std::declval<TaskTimes&>(), std::declval<const SpawnInfo&>())));
static_assert(noexcept(std::declval<Worker&>().running(std::declval<TaskTimes&>())));
static_assert(std::is_same_v<decltype(std::declval<const Worker&>().now()), Stamp>);
static_assert(std::is_nothrow_move_constructible_v<WorkerLease> && std::is_default_constructible_v<WorkerLease>);
static_assert(std::is_nothrow_move_assignable_v<WorkerLease>);
static_assert(!std::is_copy_constructible_v<TaskTimes> && !std::is_move_constructible_v<TaskTimes>);

class OneTask final : public TaskList {
  public:
    explicit OneTask(TaskTimes& task) : task_{task} {}
    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override {
        if (!taker.wants_more()) return cursor;
        taker.take(task_);
        return kEnd;
    }

  private:
    TaskTimes& task_;
};

/// Counts what it is told. Its calls come from one thread; read it when it is uninstalled.
class Told final : public pal::Sink {
  public:
    void record(const pal::Record& record) override { transitions += record.is_transition() ? 1 : 0; }
    void gap(const pal::Gap& gap) override { lost += gap.lost; }
    void caught_up() override { ++catches; }

    std::uint64_t transitions = 0;
    std::uint64_t lost = 0;
    std::uint64_t catches = 0;
};

struct Story {
    VirtualClock& clock;
    Worker& worker;

    void pass(std::uint64_t ns = 1000) const { clock.advance(ns); }

    void run(TaskTimes& task) const {
        pass();
        worker.running(task, worker.now());
        pass();
    }

    void wake(TaskTimes& task, WakeCause cause, std::uint64_t waker, std::uint64_t late_ns) const {
        pass();
        worker.ready(task, cause, waker, late_ns);
        run(task);
    }
};

void live(const Story& story, TaskTimes& task, std::uint64_t other) {
    Worker& worker = story.worker;
    worker.note(task, "trace", "4bf92f3577b34da6");
    story.run(task);
    worker.yield(task);
    story.run(task);
    worker.throttled(task, 0);
    story.run(task);
    worker.throttled(task, 5000);
    story.wake(task, WakeCause::quota, 0, 10);
    worker.sleep(task, 2000);
    story.wake(task, WakeCause::timer, 0, 20);
    worker.iowait(task, 3);
    story.wake(task, WakeCause::io, 0, 0);
    worker.join(task, other);
    story.wake(task, WakeCause::join, other, 0);
    worker.sleep(task, 0);
    story.wake(task, WakeCause::external, 0, 0);
    for (const WaitReason reason :
         {WaitReason::lock, WaitReason::channel, WaitReason::event, WaitReason::semaphore, WaitReason::other}) {
        worker.wait(task, reason, 7);
        story.wake(task, WakeCause::event, other, 0);
    }
    worker.wait(task, WaitReason::other, 8);
    story.wake(task, WakeCause::cancel, other, 0);
}

/// Every hook with the stamp that it takes last.
void live_on_stamps(const Story& story, TaskTimes& task, const Site site) {
    Worker& worker = story.worker;
    const auto now = [&story] {
        story.pass();
        return Stamp{story.clock.ticks()};
    };
    worker.spawned(task, {.name = "stamped", .site = site, .priority = 3, .group = 0, .parent = 0, .waiting = false},
                   now());
    worker.running(task, now());
    worker.yield(task, now());
    worker.running(task, now());
    worker.throttled(task, 1, now());
    worker.ready(task, WakeCause::quota, 0, 0, now());
    worker.running(task, now());
    worker.sleep(task, 1, now());
    worker.ready(task, WakeCause::timer, 0, 0, now());
    worker.running(task, now());
    worker.iowait(task, 4, now());
    worker.ready(task, WakeCause::io, 0, 0, now());
    worker.running(task, now());
    worker.join(task, 1, now());
    worker.ready(task, WakeCause::join, 1, 0, now());
    worker.running(task, now());
    worker.wait(task, WaitReason::lock, 9, now());
    worker.ready(task, WakeCause::event, 1, 0, now());
    worker.running(task, now());
    worker.done(task, now());
    TaskTimes failing;
    worker.spawned(failing, {.name = "failing"}, now());
    worker.running(failing, now());
    worker.failed(failing, "disk full", now());
    TaskTimes stopped;
    worker.spawned(stopped, {.name = "stopped"}, now());
    worker.cancelled(stopped, CancelCause::shutdown, 1, now());
}

/// What a runtime may ask; 0 unless an answer is absurd.
int ask(SchedulerTelemetry& telemetry, Worker& worker, const TaskTimes& task) {
    const std::uint64_t numbers[] = {task.tid(),
                                     task.step(),
                                     worker.id(),
                                     worker.seq(),
                                     worker.transitions(),
                                     worker.count(TaskEvent::Spawned),
                                     telemetry.count(TaskEvent::Spawned),
                                     telemetry.transitions(),
                                     refused_hooks(),
                                     worker.lttng_left_out(),
                                     worker.longest_park_ns()};
    const TaskState state = task.state();
    const WaitKind waited = task.waited();
    const std::string_view name{task.name()};
    const Site site{.file = task.site().file, .line = task.site().line};
    const std::uint8_t priority = task.priority();
    const std::uint16_t group = task.group();
    const bool listens = worker.listens();
    const bool dumping = worker.is_dumping();
    const Stamp now = worker.now();
    const std::uint64_t between = worker.ns_between(now, now);
    const std::uint64_t ticks = now.known() ? now.ticks() : telemetry.clock().ticks();
    const std::string& scheduler = telemetry.name();
    const MetricsSnapshot snapshot = telemetry.snapshot();
    const std::function<std::optional<MetricsSnapshot>()> source = telemetry.snapshot_source();
    const std::chrono::nanoseconds bound = telemetry.watch_bound();
    const std::function<std::optional<MetricsSnapshot>()> named = telemetry.named_snapshot_source(true);
    const std::vector<MetricsSnapshot> all = named_snapshots(true);
    const std::uint64_t workers[] = {worker_counts().held, worker_counts().indices};
    const bool attached[] = {attached_tracers().lttng, attached_tracers().usdt};
    const std::string_view status = label(tracing_status());
    static_cast<void>(std::tie(state, waited, name, site, priority, group, listens, dumping, ticks, snapshot, source,
                               bound, status, numbers, named, all, workers, attached));
    return between <= 1 && scheduler == "frozen" ? 0 : 1;
}

void ask_snapshot(MetricsSnapshot snapshot) {
    std::string& scheduler = snapshot.scheduler;
    std::uint64_t& in_state = snapshot.states[0];
    std::uint64_t& of_event = snapshot.transitions[0];
    const std::uint64_t numbers[] = {snapshot.workers, snapshot.current_run_ns, snapshot.run_delay_ns,
                                     snapshot.busy_ns, snapshot.lttng_left_out, snapshot.oldest_ready_ns};
    const bool run_delay_known = snapshot.run_delay_known;
    for (WorkerSnapshot& one : snapshot.each_worker) {
        WorkSnapshot& work = one;
        const std::uint16_t index = one.worker;
        static_cast<void>(std::tie(work, index));
    }
    for (GroupSnapshot& group : snapshot.groups) {
        std::string& name = group.name;
        for (HistogramSnapshot* const histogram : {&group.run, &group.ready, &group.wait[0]}) {
            std::vector<std::uint64_t>& bounds = histogram->upper_ns;
            std::vector<std::uint64_t>& counts = histogram->counts;
            const std::uint64_t sum_ns = histogram->sum_ns;
            const std::uint64_t count = histogram->count();
            static_cast<void>(std::tie(name, bounds, counts, sum_ns, count));
        }
    }
    static_cast<void>(std::tie(scheduler, in_state, of_event, numbers, run_delay_known));
}

void ask_clock(Clock& clock) {
    const std::uint64_t numbers[] = {clock.ticks(), clock.ticks_without_call(), clock.to_ns(1), clock.ticks_in(1),
                                     clock.monotonic_ns()};
    const std::string_view name{clock.name()};
    VirtualClock* const of_tests = clock.as_virtual();
    clock.correct();
    static_cast<void>(std::tie(numbers, name, of_tests));
}

void use_options() {
    configure({.pal = "",
               .pal_max_bytes = std::uint64_t{1} << 20,
               .pal_ring_bytes = std::size_t{1} << 16,
               .pal_ticks = true,
               .stall = std::chrono::seconds{0},
               .environment = true});
    const PalStatus log = pal_status();
    const std::uint64_t log_numbers[] = {log.transitions,
                                         log.lost,
                                         log.lost_others,
                                         log.bytes,
                                         log.files,
                                         log.readers,
                                         log.readers_lost,
                                         log.readers_refused,
                                         log.workers_without_ring};
    const std::string& where = log.where;
    const bool active = log.active;
    const int error = log.error;
    bool known = log.problem == PalProblem::none;
    for (const PalProblem problem :
         {PalProblem::bad_target, PalProblem::bad_size, PalProblem::symbolic_link, PalProblem::not_a_log,
          PalProblem::in_use, PalProblem::refused, PalProblem::stripped})
        known = known || label(log.problem) == label(problem);
    const StallStatus stalls = stall_status();
    const std::chrono::nanoseconds bound = stalls.bound;
    const int refusal = stalls.error;
    for (const StallProblem problem :
         {StallProblem::none, StallProblem::bad_bound, StallProblem::refused, StallProblem::stripped})
        known = known || label(stalls.problem) == label(problem);
    for (const TracingStatus status : {TracingStatus::available, TracingStatus::not_tried, TracingStatus::disabled,
                                       TracingStatus::no_module, TracingStatus::no_lttng, TracingStatus::shm_full,
                                       TracingStatus::incompatible, TracingStatus::stripped, TracingStatus::no_shm})
        known = known || tracing_status() == status;
    static_cast<void>(std::tie(log_numbers, where, active, error, bound, refusal, known));
    static_cast<void>(flush_pal());
}

std::shared_ptr<Told> use_sink() {
    auto told = std::make_shared<Told>();
    install_sink(told, SinkOptions{.ring_bytes = std::size_t{1} << 18,
                                   .poll = std::chrono::milliseconds{1},
                                   .flush_timeout = std::chrono::seconds{30},
                                   .ticks = true});
    return told;
}

/// 0 if the sink was told all of them.
int end_sink(const Told& told, std::uint64_t transitions) {
    const bool all = flush_sink();
    const SinkStats stats = sink_stats();
    const std::uint64_t numbers[] = {
        stats.records,     stats.transitions, stats.refused,           stats.refused_transitions, stats.lost,
        stats.lost_others, stats.gaps,        stats.flushes_timed_out, stats.workers_without_ring};
    static_cast<void>(numbers);
    const bool ended = uninstall_sink();
    const bool whole = told.transitions == transitions && told.lost == 0 && stats.transitions == transitions;
    return all && ended && whole ? 0 : 1;
}

}  // namespace

int main() {
    use_options();
    const std::shared_ptr<Told> told = use_sink();
    VirtualClock clock;
    const MetricsBuckets buckets{
        .run_ns = MetricsBuckets::default_ns(), .wait_ns = {1'000}, .ready_ns = MetricsBuckets::default_ready_ns()};
    SchedulerTelemetry telemetry{"frozen", TelemetryOptions{.metrics = true, .clock = &clock, .buckets = buckets}};
    const std::uint16_t group = telemetry.group("network");
    TaskTimes first;
    OneTask list{first};
    telemetry.list_tasks_by(&list);
    telemetry.watch(std::chrono::hours{1});
    WorkerLease first_holder = telemetry.worker();
    WorkerLease taken;
    taken = std::move(first_holder);
    const WorkerLease lease{std::move(taken)};
    const Story story{clock, *lease};
    story.pass();
    lease->spawned(first, {.name = "first", .site = Site::here(), .priority = 200, .group = group, .parent = 0});
    TaskTimes second;
    lease->spawned(second, {.name = "second", .site = Site::here(), .parent = first.tid(), .waiting = true});
    static_cast<void>(lease->ticks_silently());
    {
        const Worker::Tick tick{*lease, first};
        live(story, first, second.tid());
    }
    lease->done(first);
    story.wake(second, WakeCause::dependency, first.tid(), 0);
    lease->cancelled(second, CancelCause::asked, first.tid());
    TaskTimes cancelled[2];
    for (TaskTimes& task : cancelled)
        lease->spawned(task, {.name = "cancelled", .waiting = true});
    lease->cancelled(cancelled[0], CancelCause::dependency, first.tid());
    lease->cancelled(cancelled[1], CancelCause::destroyed);
    TaskTimes stamped;
    live_on_stamps(story, stamped, Site::here());
    TaskTimes foreign;
    lease->spawned(foreign, {.name = "foreign"});
    story.run(foreign);
    lease->sleep(foreign, 0);
    std::thread{[&] { telemetry.here().ready(foreign, WakeCause::external); }}.join();
    story.run(foreign);
    lease->done(foreign);
    lease->park();
    story.pass();
    lease->unpark();
    ask_snapshot(telemetry.snapshot(true));
    ask_clock(clock);
    ask_clock(Clock::system());
    const int absurd = ask(telemetry, *lease, first);
    telemetry.list_tasks_by(nullptr);
    return absurd + end_sink(*told, telemetry.transitions());
}
