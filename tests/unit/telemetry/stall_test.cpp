// Runs that do not end: who is told of them, and that nobody is blamed for another's.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <tiffany/telemetry/configure.hpp>

#include "kept.hpp"
#include "recorded.hpp"

namespace tiffany::testing {
namespace {

constexpr auto kBound = 40ms;  // of the virtual clock; the watch looks every 10 ms of the real one
constexpr std::uint64_t kBoundNs = 40'000'000;

/// Threads of this process that watch.
int watches() {
    int found = 0;
    std::error_code ended;  // a thread may end while its folder is read
    for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task", ended}) {
        std::string name;
        std::ifstream{task.path() / "comm"} >> name;
        found += name == "tiffany-stall" ? 1 : 0;
    }
    return found;
}

/// Who joined a thread may find it there still.
bool comes_to(int threads) {
    return eventually([threads] { return watches() == threads; });
}

class Stalls : public Recorded {
  protected:
    ~Stalls() override { uninstall_sink(); }

    /// What was told so far: worker, tid.
    std::vector<std::pair<pal::WorkerId, std::uint64_t>> told() const {
        std::vector<std::pair<pal::WorkerId, std::uint64_t>> found;
        for (const pal::Record& record : sink->of("Stalled"))
            found.emplace_back(record.worker, record.tid);
        return found;
    }
    bool told_of(const TaskTimes& task) const {
        return eventually([&] {
            for (const auto& [worker, tid] : told())
                if (tid == task.tid()) return true;
            return false;
        });
    }

    void begin(Worker& worker, TaskTimes& task) {
        worker.spawned(task, {.name = "t"});
        worker.running(task);
    }
    void pass(std::uint64_t ns) { clock.advance(ns); }
    static void tick(Worker& worker, const TaskTimes& task) { const Worker::Tick one{worker, task}; }

    VirtualClock clock;
    std::shared_ptr<Kept> sink = std::make_shared<Kept>();
};

/// A worker of another thread, whose run is told when everything that began before it was looked at.
class Control {
  public:
    Control(SchedulerTelemetry& telemetry)
        : thread_{[&] {
              const WorkerLease worker = telemetry.worker();
              worker->spawned(task, {.name = "control"});
              worker->running(task);
              runs_.count_down();
              end_.wait();
              worker->done(task);
          }} {
        runs_.wait();
    }
    ~Control() {
        end_.count_down();
        thread_.join();
    }
    TaskTimes task;

  private:
    std::latch runs_{1};
    std::latch end_{1};
    std::thread thread_;
};

TEST_F(Stalls, ARunIsToldOnceAndTheNextOneAgain) {
    install_sink(sink, kPatient);
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.watch(kBound);
    EXPECT_EQ(telemetry.watch_bound(), kBound);
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    begin(*worker, task);
    pass(kBoundNs + 7);
    ASSERT_TRUE(told_of(task));
    const pal::Record first = sink->of("Stalled").at(0);
    EXPECT_EQ(first.worker, pal::WorkerId::from_event(worker->id()))
        << "the one that stands still, not the one that told";
    EXPECT_EQ(first.number("run_ns"), kBoundNs + 7);
    pass(100 * kBoundNs);
    {
        const Control later{telemetry};
        pass(kBoundNs + 1);
        ASSERT_TRUE(told_of(later.task));
    }
    EXPECT_EQ(told().size(), 2u) << "the first run was not told of again";
    worker->yield(task);
    worker->running(task);
    pass(kBoundNs + 2);
    ASSERT_TRUE(eventually([&] { return told().size() == 3; }));
    EXPECT_EQ(sink->of("Stalled").at(2).tid, task.tid());
    EXPECT_EQ(sink->of("Stalled").at(2).number("run_ns"), kBoundNs + 2);
    worker->done(task);
    EXPECT_EQ(sink->stretch_of(*worker).lost, 0u);
}

TEST_F(Stalls, ItIsToldToLttngToo) {
    SchedulerTelemetry telemetry{"s", {.metrics = false, .clock = &clock}};
    telemetry.watch(kBound);
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    begin(*worker, task);
    pass(2 * kBoundNs);
    ASSERT_TRUE(eventually([] { return !recording().of(EventId::Stalled).empty(); }));
    const auto told = recording().last<tiffany_stalled>(EventId::Stalled);
    EXPECT_EQ(told.worker, worker->id());
    EXPECT_EQ(told.tid, task.tid()) << "without metrics";
    EXPECT_EQ(told.run_ns, 2 * kBoundNs);
    EXPECT_NE(recording().of(EventId::Stalled).at(0).thread, std::this_thread::get_id());
    worker->done(task);
}

TEST_F(Stalls, ARunThatIsAsLongAsTheBoundIsNone) {
    install_sink(sink, kPatient);
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.watch(kBound);
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    const Control longer{telemetry};
    pass(1);
    begin(*worker, task);
    pass(kBoundNs);
    ASSERT_TRUE(told_of(longer.task));
    worker->yield(task);
    {
        worker->running(task);
        pass(kBoundNs);
        worker->done(task);
    }
    const Control last{telemetry};
    pass(kBoundNs + 1);
    ASSERT_TRUE(told_of(last.task));
    EXPECT_EQ(told().size(), 2u);
}

TEST_F(Stalls, AWorkerThatIsParkedOrGivenBackRunsNothing) {
    install_sink(sink, kPatient);
    for (const bool metrics : {true, false}) {
        SchedulerTelemetry telemetry{"s", {.metrics = metrics, .clock = &clock}};
        telemetry.watch(kBound);
        TaskTimes left_open;
        TaskTimes given_back;
        const WorkerLease parked = telemetry.worker();
        begin(*parked, left_open);
        parked->park();
        std::thread{[&] { begin(*telemetry.worker(), given_back); }}.join();
        const Control control{telemetry};
        pass(2 * kBoundNs);
        ASSERT_TRUE(told_of(control.task));
        for (const auto& [worker, tid] : told())
            EXPECT_TRUE(tid != left_open.tid() && tid != given_back.tid());
    }
}

TEST_F(Stalls, EveryWorkersRunIsToldOnce) {
    install_sink(sink, kPatient);
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.watch(kBound);
    std::vector<std::unique_ptr<Control>> runs;
    for (int i = 0; i < 8; ++i)
        runs.push_back(std::make_unique<Control>(telemetry));
    Worker& foreign = telemetry.here();
    TaskTimes task;
    begin(foreign, task);
    pass(2 * kBoundNs);
    for (const auto& run : runs)
        ASSERT_TRUE(told_of(run->task));
    ASSERT_TRUE(told_of(task)) << "a foreign thread's run, too";
    EXPECT_EQ(told().size(), 9u);
    foreign.done(task);
}

TEST_F(Stalls, TheThreadEndsWithTheWatchAndWithTheScheduler) {
    EXPECT_EQ(watches(), 0);
    {
        SchedulerTelemetry first{"first"};
        SchedulerTelemetry second{"second"};
        EXPECT_EQ(watches(), 0) << "nobody asked";
        first.watch(1h);
        first.watch(2h);
        second.watch(1ms);
        EXPECT_TRUE(comes_to(2)) << "one each";
        first.watch(0ns);
        EXPECT_TRUE(comes_to(1));
        EXPECT_EQ(first.watch_bound(), 0ns);
        first.watch(-1ns);
    }
    EXPECT_TRUE(comes_to(0));
}

/// The watch's thread stands still in an event, as one does in a channel that blocks for ever.
class HeldStalls : public Stalls, public ::testing::WithParamInterface<EventId> {
  protected:
    HeldStalls() {
        telemetry->watch(kBound);
        begin(**worker, task);
    }

    /// Has the watch's thread stand still in that event, does it beside that, and lets it go. Whether it was done.
    template <typename Do>
    bool is_done_while_held(const Do& what) {
        const bool is_last_word = GetParam() == EventId::WorkerStopped;
        recording().is_held = recording().released = false;
        if (!is_last_word) recording().hold = static_cast<int>(GetParam());
        own_clock->advance(2 * kBoundNs);
        const auto is_held = [] { return recording().is_held.load(); };
        EXPECT_TRUE(eventually([&] { return is_last_word ? !recording().of(EventId::Stalled).empty() : is_held(); }));
        (*worker)->done(task);
        worker.reset();
        if (is_last_word) recording().hold = static_cast<int>(GetParam());
        std::atomic<bool> done{false};
        std::thread thread{[&] {
            what();
            done = true;
        }};
        EXPECT_TRUE(eventually(is_held));
        const bool was_done = eventually([&] { return done.load(); });
        if (was_done && telemetry == nullptr) own_clock.reset();
        recording().released = true;
        thread.join();
        EXPECT_TRUE(eventually([] { return watches() == 0; }));
        EXPECT_EQ(recording().of(EventId::WorkerStopped).size(), 2u) << "of the worker, and of the watch's own";
        return was_done;
    }

    std::unique_ptr<VirtualClock> own_clock = std::make_unique<VirtualClock>();
    std::unique_ptr<SchedulerTelemetry> telemetry =
        std::make_unique<SchedulerTelemetry>("s", TelemetryOptions{.clock = own_clock.get()});
    std::unique_ptr<WorkerLease> worker = std::make_unique<WorkerLease>(telemetry->worker());
    TaskTimes task;
};

TEST_P(HeldStalls, TheSchedulersEndWaitsNotForEverAndTheThreadNeedsItsClockNoMore) {
    EXPECT_TRUE(is_done_while_held([&] { telemetry.reset(); }));
}

TEST_P(HeldStalls, TheWatchsEndWaitsNotForEver) {
    EXPECT_TRUE(is_done_while_held([&] { telemetry->watch(0ns); }));
    telemetry->watch(kBound);
    EXPECT_TRUE(eventually([] { return watches() == 1; }));
}

INSTANTIATE_TEST_SUITE_P(InEachEventOfItsThread, HeldStalls,
                         ::testing::Values(EventId::WorkerStarted, EventId::Stalled, EventId::WorkerStopped));

TEST_F(Stalls, OfARunThatBeganBeforeTheWatchMetricsKnowThatItLasts) {
    install_sink(sink, kPatient);
    SchedulerTelemetry counted{"counted", {.clock = &clock}};
    SchedulerTelemetry uncounted{"uncounted", {.metrics = false, .clock = &clock}};
    const WorkerLease first = counted.worker();
    const WorkerLease second = uncounted.worker();
    TaskTimes known;
    TaskTimes unknown;
    begin(*first, known);
    begin(*second, unknown);
    counted.watch(kBound);
    uncounted.watch(kBound);
    pass(2 * kBoundNs);
    ASSERT_TRUE(eventually([&] { return told().size() == 1; }));
    EXPECT_EQ(told()[0].first, pal::WorkerId::from_event(first->id()));
    EXPECT_EQ(told()[0].second, 0u) << "nobody kept which task it is";
    {
        const Control control{uncounted};
        pass(kBoundNs + 1);
        ASSERT_TRUE(told_of(control.task));
    }
    EXPECT_EQ(told().size(), 2u) << "what began when nothing was kept is not known";
    for (Worker* const worker : {&*first, &*second}) {
        TaskTimes& task = worker == &*first ? known : unknown;
        worker->yield(task);
        tick(*worker, task);  // there it learns that it is watched
        worker->running(task);
        pass(kBoundNs + 1);
        ASSERT_TRUE(told_of(task));
        worker->done(task);
    }
}

TEST_F(Stalls, ATaskThatRanUnderAnEarlierWatchIsNotBlamed) {
    install_sink(sink, kPatient);
    for (const bool metrics : {true, false}) {
        SchedulerTelemetry telemetry{"s", {.metrics = metrics, .clock = &clock}};
        telemetry.watch(kBound);
        const WorkerLease worker = telemetry.worker();
        TaskTimes earlier;
        TaskTimes later;
        begin(*worker, earlier);
        telemetry.watch(0ns);
        tick(*worker, earlier);
        worker->done(earlier);
        begin(*worker, later);
        telemetry.watch(kBound);
        const std::size_t before = told().size();
        pass(2 * kBoundNs);
        const Control control{telemetry};
        pass(2 * kBoundNs);
        ASSERT_TRUE(told_of(control.task));
        ASSERT_TRUE(eventually([&] { return told().size() == before + (metrics ? 2 : 1); }));
        for (const auto& [blamed, tid] : told())
            EXPECT_TRUE(tid != earlier.tid() && tid != later.tid());
        worker->done(later);
    }
}

TEST_F(Stalls, ARunThatLastsIsToldToWhoeverComesWhileItDoes) {
    recording().set_enabled(false);
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.watch(kBound);
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    begin(*worker, task);
    pass(2 * kBoundNs);
    // it was found: the watch has taken a worker to tell of it, and nobody listens
    ASSERT_TRUE(eventually([&] { return telemetry.snapshot(true).each_worker.size() == 2; }));
    std::thread{[&] { install_sink(sink, kPatient); }}.join();
    ASSERT_TRUE(told_of(task)) << "its worker makes no tick";
    EXPECT_EQ(sink->of("Stalled").at(0).number("run_ns"), 2 * kBoundNs);
    worker->done(task);
}

TEST_F(Stalls, ASessionThatStartsWhileEverythingStandsIsTold) {
    recording().set_enabled(false);
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.watch(kBound);
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    begin(*worker, task);
    pass(2 * kBoundNs);
    ASSERT_TRUE(eventually([&] { return telemetry.snapshot(true).each_worker.size() == 2; }));
    start_session();
    ASSERT_TRUE(eventually([] { return !recording().of(EventId::Stalled).empty(); }));
    EXPECT_EQ(recording().last<tiffany_stalled>(EventId::Stalled).tid, task.tid());
    worker->done(task);
}

TEST_F(Stalls, NoRunIsBlamedForAnothers) {
    recording().set_enabled(false);
    install_sink(sink, {.ring_bytes = std::size_t{1} << 24, .flush_timeout = 60s});
    // time stands still, and each run begins with a stamp of its own: a told length names the run
    constexpr std::uint64_t kNow = 1'000'000'000'000;
    pass(kNow - 1);
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.watch(1ns);  // every run that is met
    struct Run {
        std::uint64_t began;
        std::uint64_t worker;
    };
    constexpr std::size_t kThreads = 3;
    std::array<std::map<std::uint64_t, Run>, kThreads> runs;  // by tid
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i](const std::stop_token& end) {
            const WorkerLease worker = telemetry.worker();
            for (std::uint64_t began = 1 + i; !end.stop_requested(); began += kThreads) {
                TaskTimes task;
                worker->spawned(task, {.name = "t"});
                worker->running(task, Stamp{began});
                const auto until = std::chrono::steady_clock::now() + 50us;
                while (std::chrono::steady_clock::now() < until) {
                }
                worker->done(task);
                runs[i][task.tid()] = {began, worker->id()};
                if (began % 8 == 0) std::this_thread::sleep_for(50us);
            }
        });
    const bool enough = eventually([&] { return sink->of("Stalled").size() >= 25; });
    threads.clear();
    ASSERT_TRUE(enough);
    ASSERT_TRUE(flush_sink());
    for (std::size_t i = 1; i < kThreads; ++i)
        runs[0].merge(runs[i]);
    for (const pal::Record& record : sink->of("Stalled")) {
        ASSERT_TRUE(runs[0].contains(record.tid));
        const Run& run = runs[0][record.tid];
        EXPECT_EQ(record.worker, pal::WorkerId::from_event(run.worker));
        EXPECT_EQ(record.number("run_ns"), kNow - run.began);
    }
}

#if !defined(__SANITIZE_THREAD__)  // which lets no forked child start a thread
TEST_F(Stalls, AForkedChildIsWatchedFromItsFirstHookOn) {
    recording().set_enabled(false);
    auto telemetry = std::make_unique<SchedulerTelemetry>("s", TelemetryOptions{.clock = &clock});
    telemetry->watch(kBound);
    auto worker = std::make_unique<WorkerLease>(telemetry->worker());
    TaskTimes task;
    begin(**worker, task);
    pass(2 * kBoundNs);
    ASSERT_TRUE(eventually([&] { return telemetry->snapshot(true).each_worker.size() == 2; }))
        << "the watch holds a worker at the fork";
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(60);
        if (watches() != 0) _exit(10);
        (*worker)->yield(task);
        if (!comes_to(1)) _exit(11);
        install_sink(sink, kPatient);
        (*worker)->running(task);
        pass(kBoundNs + 3);
        if (!told_of(task)) _exit(12);
        if (told().size() != 1) _exit(13);
        if (sink->of("Stalled").at(0).worker != pal::WorkerId::from_event((*worker)->id())) _exit(14);
        worker.reset();
        telemetry.reset();
        if (!comes_to(0)) _exit(15);
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "exit " << WEXITSTATUS(status);
    EXPECT_EQ(watches(), 1) << "the parent's goes on";
    (*worker)->done(task);
}

#if !defined(__SANITIZE_ADDRESS__)  // whose allocator, of g++ 12, a forked child may find locked for ever
TEST_F(Stalls, AForkAtAnyMomentHangsNobody) {
    SchedulerTelemetry watched{"watched"};
    watched.watch(1ns);
    const std::jthread other{[&](const std::stop_token& end) {
        const WorkerLease worker = watched.worker();
        while (!end.stop_requested()) {
            TaskTimes task;
            begin(*worker, task);
            worker->done(task);
            watched.watch(std::chrono::nanoseconds{task.tid() % 3});  // on, off and another bound
        }
    }};
    for (int i = 0; i < 30; ++i) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            alarm(60);
            if (i % 3 == 0) watched.watch(0ns);
            if (i % 3 == 1) watched.watch(1s);
            live(watched.here());
            watched.watch(0ns);
            _exit(comes_to(0) ? 0 : 1);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_EQ(status, 0);
    }
}
#endif

#endif

}  // namespace
}  // namespace tiffany::testing
