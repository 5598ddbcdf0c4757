#include "run.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <thread>
#include <tiffany/scheduler/scheduler_pool.hpp>
#include <tiffany/telemetry/sink.hpp>

#include "steps.hpp"
#include "world.hpp"

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

void spawn_tasks(World& world, const Program& program) {
    for (const Script& task : program.tasks) {
        std::vector<Entry*> after;
        for (const unsigned other : task.after)
            if (Entry* const entry = world.pick(other)) after.push_back(entry);
        world.spawn(task, task.steps, after);
    }
}

std::size_t max_live_of(const Program& program) {
    return program.max_live != 0 ? program.max_live : std::numeric_limits<std::size_t>::max();
}

/// All that tasks can wait for happens.
void release(World& world) {
    for (Event& event : world.events)
        event.set();
    for (std::size_t i = 0; i < World::kObjects; ++i) {
        world.closes(i);
        world.channels[i].close();
        world.pipes[i].put();
    }
    for (unsigned i = 0; i < World::kMaxTasks; ++i)
        world.wake(i);
}

constexpr bool is_live(TaskState state) {
    return state != TaskState::None && state != TaskState::Finished && state != TaskState::Failed &&
           state != TaskState::Cancelled;
}

/// What the telemetry told against what it counted, and against the tasks.
/// @param drains  tasks beside the program's, which finished
void judge_telemetry(World& world, const MetricsSnapshot& counted, const Watcher::Told& told, std::size_t drains) {
    for (const std::string& finding : told.report.findings)
        world.wrong(finding);
    world.expect(told.report.queues_checked, "the ready queue's equation was not checked");
    world.expect(told.report.gaps == 0 && told.report.lost == 0, "transitions were lost");
    world.expect(told.report.workers_open == 0, "a worker did not stop");
    std::array<std::uint64_t, kTaskStates> ended{};
    ended[static_cast<std::size_t>(TaskState::Finished)] = drains;
    for (const TaskHandle& task : world.tasks())
        ++ended[static_cast<std::size_t>(task.state())];
    for (std::size_t i = 0; i < kTaskStates; ++i) {
        const auto state = static_cast<TaskState>(i);
        const std::string name{label(state)};
        world.expect(told.report.ended(state) == ended[i], "expected " + std::to_string(ended[i]) +
                                                               " tasks in the end to be told as " + name + ", found " +
                                                               std::to_string(told.report.ended(state)));
        if (!is_live(state)) continue;
        world.expect(counted.states[i] == 0,
                     "expected a gauge at 0, found " + std::to_string(counted.states[i]) + ' ' + name);
    }
    world.expect(told.report.live() == 0, "tasks were told of that did not end");
    world.expect(told.transitions == counted.transitions, "expected as many transitions as were counted");
}

class OneWorker {
  public:
    explicit OneWorker(const Program& program) : program_{program} { world_.scheduler = &*scheduler_; }

    /// Returns whether all that was sent must have been received.
    bool run() {
        spawn_tasks(world_, program_);
        const std::size_t half = program_.foreign.size() / 2;
        elsewhere(0, half);
        if (program_.ending == Ending::close_at_once) {
            scheduler_->run_until_idle();
            elsewhere(half, program_.foreign.size());
            return false;
        }
        settle();
        elsewhere(half, program_.foreign.size());
        settle();
        switch (program_.ending) {
            case Ending::shutdown:
                shut_down();
                return false;
            case Ending::close:
            case Ending::close_at_once:
                return false;
            case Ending::release:
                release(world_);
                settle();
                break;
            default:
                break;
        }
        cancel();
        for (std::size_t i = 0; i < World::kObjects; ++i)
            scheduler_->spawn({.name = "drain"}, drain(world_, i, world_.frame()));
        scheduler_->run();
        return true;
    }

    World& world() { return world_; }
    std::optional<Scheduler>& scheduler() { return scheduler_; }

  private:
    void elsewhere(std::size_t first, std::size_t last) {
        if (first == last) return;
        std::jthread{[&] { world_.run_foreign(program_.foreign, first, last); }};
    }

    /// Until nothing moves any more, however long.
    void settle() {
        let_time_pass();
        if (std::string stuck = world_.stuck(); !stuck.empty()) world_.wrong("when all was quiet: " + stuck);
    }

    void let_time_pass() {
        // it would wait for descriptors
        if (!has(program_, Op::read)) {
            scheduler_->run();
            return;
        }
        std::uint64_t step_ns = 1'000;
        while (step_ns < 1'000'000'000'000) {
            const std::uint64_t before = world_.progress;
            scheduler_->run_until_idle();
            if (scheduler_->live() == 0) return;
            step_ns = world_.progress == before ? step_ns * 2 : 1'000;
            clock_.advance(step_ns);
        }
    }

    /// Each request takes a task past one wait at least.
    void cancel() {
        world_.all_are_asked = program_.ending != Ending::cancel_each;
        for (std::size_t i = 0; i < steps_of(program_) * World::kMaxTasks + 1 && scheduler_->live() != 0; ++i) {
            if (program_.ending == Ending::cancel_each)
                world_.cancel(static_cast<unsigned>(i), false);
            else
                scheduler_->cancel_all();
            settle();
        }
        world_.expect(scheduler_->live() == 0, "tasks live on that were cancelled");
    }

    void shut_down() {
        const bool all_ended = scheduler_->live() == 0;
        world_.all_are_asked = true;
        world_.expect(scheduler_->shutdown(1ms) == all_ended, "a shutdown told the wrong thing");
        try {
            scheduler_->spawn({}, drain(world_, 0, world_.frame()));
            world_.wrong("a task was spawned after the shutdown");
        } catch (const SpawnRefused&) {
            // as it should
        }
    }

    const Program& program_;
    VirtualClock clock_;
    World world_{&clock_};
    std::optional<Scheduler> scheduler_{
        SchedulerOptions{.name = "one", .quantum = 1ms, .clock = &clock_, .max_live = max_live_of(program_)}};
};

class Pool {
  public:
    Pool(const Program& program, std::chrono::seconds patience) : program_{program}, patience_{patience} {
        world_.scheduler = &*pool_;
    }

    /// Returns whether all that was sent must have been received.
    bool run() {
        std::jthread foreign{[&] { world_.run_foreign(program_.foreign, 0, program_.foreign.size()); }};
        spawn_tasks(world_, program_);
        if (program_.ending == Ending::close_at_once) {
            pool_->close();
            return false;
        }
        foreign.join();
        if (!settle()) return false;
        switch (program_.ending) {
            case Ending::shutdown: {
                const bool all_ended = pool_->live() == 0;
                world_.all_are_asked = true;
                world_.expect(pool_->shutdown(1ms) == all_ended, "a shutdown told the wrong thing");
                return false;
            }
            case Ending::close:
            case Ending::close_at_once:
                return false;
            case Ending::release:
                if (!call([&] { release(world_); }) || !settle()) return false;
                break;
            default:
                break;
        }
        if (!cancel()) return false;
        for (std::size_t i = 0; i < World::kObjects; ++i)
            pool_->spawn({.name = "drain"}, drain(world_, i, world_.frame()));
        return eventually([&] { return pool_->live() == 0; }, "the channels are not drained");
    }

    World& world() { return world_; }
    std::optional<SchedulerPool>& scheduler() { return pool_; }

  private:
    template <typename Condition>
    bool eventually(const Condition& condition, const std::string& otherwise) {
        const auto deadline = steady_clock::now() + patience_;
        for (unsigned looks = 0; !condition(); ++looks) {
            if (steady_clock::now() > deadline) {
                world_.wrong(otherwise);
                return false;
            }
            std::this_thread::sleep_for(looks < 20 ? 50us : 1ms);
        }
        return true;
    }

    /// Calls it on a thread of the pool.
    template <typename Function>
    bool call(const Function& function) {
        std::atomic<bool> done{false};
        pool_->post([&] {
            function();
            done = true;
        });
        if (eventually([&] { return done.load(); }, "a posted function was not called")) return true;
        pool_->close();  // before what it refers to is gone
        return false;
    }

    bool is_quiet() {
        const MetricsSnapshot now = pool_->telemetry().snapshot();
        return now.states[static_cast<std::size_t>(TaskState::Ready)] == 0 &&
               now.states[static_cast<std::size_t>(TaskState::Running)] == 0;
    }

    /// Until nothing moves any more. Returns false, when that does not happen.
    bool settle() {
        std::string stuck = "it does not come to rest";
        const auto deadline = steady_clock::now() + patience_;
        for (unsigned looks = 0; steady_clock::now() < deadline; ++looks) {
            const std::uint64_t before = world_.progress;
            if (is_quiet() && world_.progress == before) {
                if (!call([&] { stuck = world_.stuck(); })) return false;
                if (stuck.empty() && is_quiet() && world_.progress == before) return true;
            }
            std::this_thread::sleep_for(looks < 20 ? 50us : 1ms);
        }
        world_.wrong("after " + std::to_string(patience_.count()) + " s: " + stuck);
        return false;
    }

    bool cancel() {
        world_.all_are_asked = program_.ending != Ending::cancel_each;
        const auto deadline = steady_clock::now() + patience_;
        for (unsigned i = 0; pool_->live() != 0; ++i) {
            const bool called = call([&] {
                if (program_.ending == Ending::cancel_each)
                    world_.cancel(i, false);
                else
                    pool_->cancel_all();
            });
            if (!called || !settle()) return false;
            if (steady_clock::now() > deadline) {
                world_.wrong("tasks live on that were cancelled");
                return false;
            }
        }
        return true;
    }

    const Program& program_;
    const std::chrono::seconds patience_;
    World world_{nullptr};
    std::optional<SchedulerPool> pool_{
        std::in_place, SchedulerOptions{.name = "pool", .quantum = 50us, .max_live = max_live_of(program_)},
        PoolOptions{.workers = program_.workers}};
};

template <typename Host>
std::string run_on(Host&& host, Watcher& watcher) {
    World& world = host.world();
    const bool drained = host.run();
    host.scheduler()->close();
    world.judge(drained);
    const MetricsSnapshot counted = host.scheduler()->telemetry().snapshot();
    host.scheduler().reset();
    world.expect(flush_sink(), "cannot deliver all events in time");
    judge_telemetry(world, counted, watcher.take(), drained ? World::kObjects : 0);
    return world.findings();
}

}  // namespace

std::string run_on_one_worker(const Program& program, Watcher& watcher) {
    return run_on(OneWorker{program}, watcher);
}

std::string run_on_pool(const Program& program, Watcher& watcher, std::chrono::seconds patience) {
    return run_on(Pool{program, patience}, watcher);
}

}  // namespace tiffany::testing
