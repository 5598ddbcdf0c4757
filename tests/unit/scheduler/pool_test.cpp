// A scheduler with several threads.

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tiffany/scheduler/channel.hpp>
#include <tiffany/scheduler/mutex.hpp>
#include <tiffany/scheduler/scheduler_pool.hpp>
#include <tiffany/scheduler/semaphore.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Pool : public Recorded {
  protected:
    void TearDown() override {
        pool.close();
        watched.expect_legal();
    }

    Watched watched;
    SchedulerPool pool{{.name = "pool"}, {.workers = 3}};

    /// Lets threads wait for each other, so that no test depends on how fast they are.
    class Gate {
      public:
        void open() {
            const std::lock_guard lock{mutex_};
            open_ = true;
            changed_.notify_all();
        }
        void pass() {
            std::unique_lock lock{mutex_};
            changed_.wait(lock, [this] { return open_; });
        }

      private:
        std::mutex mutex_;
        std::condition_variable changed_;
        bool open_ = false;
    };

    static std::uint64_t worker_of(const TaskHandle& task, EventId id) {
        const std::lock_guard lock{recording().mutex};
        for (const Fired& fired : recording().events)
            if (fired.id == id && fired.as<tiffany_task_yield>().tid == task.tid())
                return fired.as<tiffany_task_yield>().worker;
        return 0;
    }
};

Task<> block(std::atomic<int>& blocked, std::function<void()> until) {
    ++blocked;
    until();
    co_return;
}

TEST_F(Pool, RunsTasksOnAllItsWorkersAtTheSameTime) {
    Gate gate;
    std::atomic<int> blocked{0};
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 3; ++i)
        tasks.push_back(pool.spawn({.name = "blocks"}, block(blocked, [&] { gate.pass(); })));
    while (blocked != 3)  // on three threads, or this never ends
        std::this_thread::yield();
    gate.open();
    pool.wait();
    std::set<std::uint64_t> workers;
    for (const TaskHandle& task : tasks)
        workers.insert(worker_of(task, EventId::TaskRunning));
    EXPECT_EQ(workers.size(), 3u);
}

TEST_F(Pool, AnIdleWorkerTakesReadyTasksOfABusyOneAlsoThoseThatHaveRunBefore) {
    Event event;
    std::atomic<int> blocked{0};
    auto waits = [](Event& what) -> Task<> { co_await what.wait(); };
    auto sets_and_blocks = [](Event& what, const TaskHandle& until, std::atomic<int>& count) -> Task<> {
        what.set();
        ++count;
        while (!until.ended())  // so another worker has to run it
            std::this_thread::yield();
        co_return;
    };
    const TaskHandle task = pool.spawn({.name = "moves", .worker = 0}, waits(event));
    while (task.state() != TaskState::Waiting)
        std::this_thread::yield();
    const std::uint64_t ran_first_on = worker_of(task, EventId::TaskRunning);
    unsigned its_worker = 0;  // an idle one may have taken it before its first run
    for (unsigned worker = 0; worker < pool.workers(); ++worker) {
        const TaskHandle probe = pool.spawn({.worker = worker, .pinned = true}, nothing());
        while (!probe.ended())
            std::this_thread::yield();
        if (worker_of(probe, EventId::TaskRunning) == ran_first_on) its_worker = worker;
    }
    pool.spawn({.name = "blocks", .worker = its_worker, .pinned = true}, sets_and_blocks(event, task, blocked));
    pool.wait();
    std::set<std::uint64_t> workers;
    const std::lock_guard lock{recording().mutex};
    for (const Fired& fired : recording().events)
        if (fired.id == EventId::TaskRunning && fired.as<tiffany_task_running>().tid == task.tid())
            workers.insert(fired.as<tiffany_task_running>().worker);
    EXPECT_EQ(workers.size(), 2u);
}

TEST_F(Pool, PinnedTasksDoNotHideOneThatIsFreeToGo) {
    Gate gate;
    std::atomic<int> blocked{0};
    std::vector<TaskHandle> stay;
    pool.spawn({.worker = 0, .pinned = true}, block(blocked, [&] { gate.pass(); }));
    while (blocked != 1)
        std::this_thread::yield();
    for (int i = 0; i < 50; ++i)
        stay.push_back(pool.spawn({.worker = 0, .pinned = true}, nothing()));
    const TaskHandle free = pool.spawn({.worker = 0}, nothing());
    while (!free.ended())
        std::this_thread::yield();
    for (const TaskHandle& task : stay)
        EXPECT_EQ(task.state(), TaskState::Ready);
    gate.open();
    pool.wait();
}

TEST_F(Pool, PostsDoNotTakeTheSpawnsTurns) {
    std::set<std::uint64_t> workers;
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 6; ++i) {
        tasks.push_back(pool.spawn({.pinned = true}, nothing()));
        for (int j = 0; j < 2; ++j)
            pool.post([] {});
    }
    pool.wait();
    for (const TaskHandle& task : tasks)
        workers.insert(worker_of(task, EventId::TaskRunning));
    EXPECT_EQ(workers.size(), 3u);
}

TEST_F(Pool, APinnedTaskWaitsForItsWorker) {
    Gate gate;
    std::atomic<int> blocked{0};
    std::atomic<int> other{0};
    pool.spawn({.name = "blocks", .worker = 1, .pinned = true}, block(blocked, [&] { gate.pass(); }));
    while (blocked != 1)
        std::this_thread::yield();
    const TaskHandle pinned = pool.spawn({.name = "pinned", .worker = 1, .pinned = true}, nothing());
    for (int i = 0; i < 20; ++i) {  // the others come and go meanwhile
        const TaskHandle free = pool.spawn({.name = "free"}, block(other, [] {}));
        while (!free.ended())
            std::this_thread::yield();
    }
    EXPECT_EQ(pinned.state(), TaskState::Ready);
    gate.open();
    pool.wait();
    EXPECT_EQ(pinned.state(), TaskState::Finished);
}

TEST_F(Pool, ANamedWorkerMustExist) {
    EXPECT_THROW(pool.spawn({.worker = 3}, nothing()), std::out_of_range);
    EXPECT_EQ(pool.live(), 0u);
}

TEST_F(Pool, TasksOnSeveralWorkersShareMutexSemaphoreChannelAndEvent) {
    Mutex mutex;
    Semaphore semaphore{2};
    Channel<int> channel{4};
    Event begin;
    constexpr int kTasks = 12;
    constexpr int kRounds = 100;
    std::atomic<int> inside{0};
    std::atomic<int> in_semaphore{0};
    std::atomic<bool> broken{false};
    long sum = 0;  // guarded by the mutex
    auto worker = [&](int number) -> Task<> {
        co_await begin.wait();
        for (int i = 0; i < kRounds; ++i) {
            {
                const Mutex::Lock lock = co_await mutex.lock();
                if (inside.fetch_add(1) != 0) broken = true;
                ++sum;
                co_await yield();
                inside.fetch_sub(1);
            }
            co_await semaphore.acquire();
            if (in_semaphore.fetch_add(1) >= 2) broken = true;
            co_await yield();
            in_semaphore.fetch_sub(1);
            semaphore.release();
            co_await channel.send(number);
        }
    };
    int received = 0;
    auto receiver = [&]() -> Task<> {
        for (; received < kTasks * kRounds; ++received)
            co_await channel.receive();
    };
    for (int i = 0; i < kTasks; ++i)
        pool.spawn({.name = "worker"}, worker(i));
    pool.spawn({.name = "receiver"}, receiver());
    pool.post([&] { begin.set(); });
    pool.wait();
    EXPECT_FALSE(broken);
    EXPECT_EQ(sum, kTasks * kRounds);
    EXPECT_EQ(received, kTasks * kRounds);
}

TEST_F(Pool, JoinsDependenciesAndCancelsCrossWorkers) {
    std::atomic<int> answered{0};
    auto child = [](int number) -> Task<int> {
        co_await sleep_for(std::chrono::microseconds{number % 7});
        if (number % 5 == 0) throw std::runtime_error{"five"};
        co_return number;
    };
    auto parent = [&](int number) -> Task<> {
        SpawnOptions options;
        const ResultHandle<int> target = (co_await this_scheduler()).spawn(options, child(number));
        if (number % 3 == 0) target.cancel();
        try {
            const int got = co_await join(target);
            if (got == number) ++answered;
        } catch (const JoinError&) {
            ++answered;
        }
    };
    constexpr int kParents = 300;
    std::vector<TaskHandle> parents;
    for (int i = 0; i < kParents; ++i)
        parents.push_back(pool.spawn({}, parent(i)));
    const std::vector<TaskRef> needs{parents.begin(), parents.end()};
    const TaskHandle last = pool.spawn({.dependencies = needs}, nothing());
    pool.wait();
    EXPECT_EQ(answered, kParents);
    EXPECT_EQ(last.state(), TaskState::Finished);
    EXPECT_EQ(pool.live(), 0u);
}

TEST_F(Pool, OtherThreadsSpawnWakeAndCancelWhileItRuns) {
    constexpr int kThreads = 3;
    constexpr int kRounds = 200;
    std::atomic<int> woken{0};
    auto sleeper = [&]() -> Task<> {
        co_await sleep_until_woken();
        ++woken;
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < kRounds; ++i) {
                const TaskHandle task = pool.spawn({.name = "sleeper"}, sleeper());
                task.wake();
                const TaskHandle victim = pool.spawn({.name = "victim"}, sleep(1h));
                victim.cancel();
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    pool.wait();
    EXPECT_EQ(woken, kThreads * kRounds);
    EXPECT_EQ(pool.telemetry().count(TaskEvent::Cancelled), static_cast<std::uint64_t>(kThreads * kRounds));
}

TEST_F(Pool, AShutdownThatRunsOutOfTimeCancelsAndSaysSo) {
    const TaskHandle task = pool.spawn({}, sleep(1h));
    EXPECT_FALSE(pool.shutdown(20ms));
    pool.wait();  // a busy machine may take longer than the grace
    EXPECT_EQ(task.state(), TaskState::Cancelled);
    EXPECT_THROW(pool.spawn({}, nothing()), SpawnRefused);
    EXPECT_EQ(pool.live(), 0u);
}

TEST_F(Pool, AShutdownWaitsForWhatEndsInTime) {
    const TaskHandle task = pool.spawn({}, sleep(5ms));
    EXPECT_TRUE(pool.shutdown(60s));
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Pool, CloseEndsWhatIsAliveOnceAndGivesTheWorkersBack) {
    Event never;
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 10; ++i)
        tasks.push_back(pool.spawn({}, wait_for(never)));
    pool.close();
    for (const TaskHandle& task : tasks)
        EXPECT_EQ(task.state(), TaskState::Cancelled);
    EXPECT_EQ(pool.telemetry().count(TaskEvent::Cancelled), 10u);
    EXPECT_GE(recording().of(EventId::WorkerStopped).size(), 3u);
    EXPECT_THROW(pool.spawn({}, nothing()), SpawnRefused);
}

TEST_F(Pool, AnyThreadCancelsAll) {
    Event never;
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 10; ++i)
        tasks.push_back(pool.spawn({}, wait_for(never)));
    pool.cancel_all();
    pool.wait();
    for (const TaskHandle& task : tasks)
        EXPECT_EQ(task.state(), TaskState::Cancelled);
}

TEST_F(Pool, AnIdleWorkerTakesWhatARunningTaskMadeReady) {
    Event event;
    std::atomic<bool> ran{false};
    auto waiter = [](Event& what, std::atomic<bool>& flag) -> Task<> {
        co_await what.wait();
        flag = true;
    };
    auto setter = [](Event& what, std::atomic<bool>& flag) -> Task<> {
        what.set();
        while (!flag)  // it keeps its worker until another one ran the waiter
            std::this_thread::yield();
        co_return;
    };
    const TaskHandle waiting = pool.spawn({.worker = 0}, waiter(event, ran));
    while (waiting.state() != TaskState::Waiting)
        std::this_thread::yield();
    pool.spawn({.worker = 0, .pinned = true}, setter(event, ran));
    pool.wait();
    EXPECT_TRUE(ran);
}

TEST_F(Pool, ABusyWorkersFunctionsAreCalledByAnother) {
    Gate gate;
    std::atomic<int> blocked{0};
    for (unsigned worker = 0; worker < 2; ++worker)
        pool.spawn({.worker = worker, .pinned = true}, block(blocked, [&] { gate.pass(); }));
    while (blocked != 2)
        std::this_thread::yield();
    std::atomic<int> called{0};
    for (int i = 0; i < 3; ++i)  // one of them at each worker
        pool.post([&] { ++called; });
    while (called != 3)
        std::this_thread::yield();
    gate.open();
    pool.wait();
}

TEST_F(Pool, StopEndsAWait) {
    pool.spawn({}, sleep(1h));
    std::thread stopper{[&] { pool.stop(); }};
    pool.wait();
    stopper.join();
    EXPECT_EQ(pool.live(), 1u);
}

/// That thread of this process sleeps in the kernel, waiting for something.
bool is_blocked(pid_t thread) {
    std::ifstream file{"/proc/self/task/" + std::to_string(thread) + "/stat"};
    std::string stat;
    std::getline(file, stat);
    const std::size_t name_end = stat.rfind(") ");
    return name_end != std::string::npos && stat[name_end + 2] == 'S';
}

TEST_F(Pool, OneStopEndsAllWaitsAndNotTheNext) {
    constexpr std::size_t kThreads = 3;
    const TaskHandle sleeper = pool.spawn({}, sleep(1h));
    while (sleeper.state() != TaskState::Sleeping)
        std::this_thread::yield();
    std::array<std::atomic<pid_t>, kThreads> waiters{};
    std::atomic<std::size_t> ended{0};
    std::vector<std::thread> threads;
    for (std::atomic<pid_t>& waiter : waiters)
        threads.emplace_back([&] {
            waiter = gettid();
            pool.wait();
            ++ended;
        });
    // on the pool's lock a thread is blocked, too, but not for long
    const auto all_are_blocked = [&] {
        return std::ranges::all_of(waiters, [](const auto& waiter) { return waiter != 0 && is_blocked(waiter); });
    };
    for (int looks = 0; looks < 20; looks = all_are_blocked() ? looks + 1 : 0)
        std::this_thread::sleep_for(1ms);
    pool.stop();
    for (const auto deadline = std::chrono::steady_clock::now() + 10s;
         ended != kThreads && std::chrono::steady_clock::now() < deadline;)
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(ended, kThreads);
    while (ended != kThreads) {  // so that the test ends
        pool.stop();
        std::this_thread::sleep_for(1ms);
    }
    for (std::thread& thread : threads)
        thread.join();
    sleeper.cancel();
    pool.wait();
    EXPECT_EQ(pool.live(), 0u) << "the stop was used up";
}

TEST_F(RealTime, APoolOnVirtualTimeSleepsAnHourAtOnce) {
    VirtualClock clock;
    SchedulerPool pool{{.name = "virtual", .clock = &clock}, {.workers = 2}};
    auto hour = []() -> Task<> {
        for (int minute = 0; minute < 60; ++minute)
            co_await sleep_for(1min);
    };
    const std::uint64_t begin = pool.now_ns();
    pool.spawn({}, hour());
    pool.spawn({}, hour());
    pool.wait();
    EXPECT_GE(pool.now_ns() - begin, 3'600'000'000'000u);
}

TEST_F(RealTime, APoolOnVirtualTimeShutsDownAtItsTimeAndWaitsForNothingThatNeverComes) {
    VirtualClock clock;
    SchedulerPool pool{{.name = "virtual", .clock = &clock}, {.workers = 2}};
    Event never;
    const TaskHandle waiter = pool.spawn({}, wait_for(never));
    const std::uint64_t begin = pool.now_ns();
    pool.wait();  // comes back, because nothing could wake it
    EXPECT_FALSE(pool.shutdown(20ms));
    EXPECT_GE(pool.now_ns() - begin, 20'000'000u);
    EXPECT_LT(pool.now_ns() - begin, 3'600'000'000'000u);
    pool.wait();
    EXPECT_EQ(waiter.state(), TaskState::Cancelled);
}

TEST_F(RealTime, APoolOnVirtualTimeWaitsForADescriptor) {
    VirtualClock clock;
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    {
        SchedulerPool pool{{.name = "virtual", .clock = &clock}, {.workers = 2}};
        auto reads = [](int fd) -> Task<> { co_await readable(fd); };
        const TaskHandle task = pool.spawn({}, reads(ends[0]));
        std::jthread other{[&] {
            while (task.state() != TaskState::Waiting)
                std::this_thread::yield();
            std::this_thread::sleep_for(20ms);  // in which a wait that knows of no descriptor would return
            EXPECT_EQ(write(ends[1], "x", 1), 1);
        }};
        pool.wait();
        EXPECT_TRUE(task.ended());
        other.join();
        pool.wait();
    }
    for (const int end : ends)
        close(end);
}

TEST_F(RealTime, OfSeveralDeadlinesThatThreadsWaitForOnVirtualTimeEachIsKept) {
    VirtualClock clock;
    SchedulerPool pool{{.name = "virtual", .clock = &clock}, {.workers = 2}};
    Event never;
    pool.spawn({}, wait_for(never));
    std::jthread waits{[&] { pool.wait(); }};  // without a deadline of its own
    EXPECT_FALSE(pool.shutdown(1h));
    waits.join();
    pool.close();
}

TEST_F(RealTime, APoolMayPinItsThreads) {
    SchedulerPool pool{{.name = "pinned"}, {.workers = 2, .pin_threads = true}};
    cpu_set_t usable;
    CPU_ZERO(&usable);
    ASSERT_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
    auto looks = [](cpu_set_t& result) -> Task<> {
        CPU_ZERO(&result);
        sched_getaffinity(0, sizeof result, &result);
        co_return;
    };
    std::array<cpu_set_t, 2> seen{};
    for (unsigned worker = 0; worker < 2; ++worker)
        pool.spawn({.worker = worker, .pinned = true}, looks(seen.at(worker)));
    pool.wait();
    cpu_set_t both;
    CPU_AND(&both, &seen[0], &seen[1]);
    EXPECT_EQ(CPU_COUNT(&seen[0]), 1);
    EXPECT_EQ(CPU_COUNT(&seen[1]), 1);
    EXPECT_EQ(CPU_COUNT(&both), CPU_COUNT(&usable) > 1 ? 0 : 1) << "each on a CPU of its own, where there are two";
    pool.close();
}

}  // namespace
}  // namespace tiffany::testing
