#include "steps.hpp"

#include <exception>
#include <optional>
#include <system_error>

namespace tiffany::testing {
namespace {

using Waiting = World::Waiting;

Task<> run_steps(World& world, Entry& self, const std::vector<Step>& steps, FrameCount);

std::size_t object_of(const Step& step) {
    return step.which % World::kObjects;
}

/// A join that was begun: over when it returned, threw, or went with its task.
class Join {
  public:
    Join(World& world, Entry& self) : world_{world}, self_{self}, exceptions_{std::uncaught_exceptions()} {
        ++world_.joins_begun;
    }
    ~Join() {
        ++world_.joins_over;
        if (!answered_ && std::uncaught_exceptions() == exceptions_) self_.join_unanswered = true;
    }
    Join(const Join&) = delete;
    Join& operator=(const Join&) = delete;
    void answered() noexcept { answered_ = true; }

  private:
    World& world_;
    Entry& self_;
    int exceptions_;
    bool answered_ = false;
};

Task<> yield_step(World& world, Entry& self) {
    const Waiting waiting{world, self, On::time};
    co_await yield();
}

Task<> sleep_step(World& world, Entry& self, const Step& step) {
    const std::uint64_t began = world.scheduler->now_ns();
    const Waiting waiting{world, self, On::time};
    const auto time = world.time(step.amount);
    if (step.op == Op::sleep)
        co_await sleep_for(time);
    else
        co_await sleep_until(began + static_cast<std::uint64_t>(time.count()));
    world.expect(world.scheduler->now_ns() >= began + static_cast<std::uint64_t>(time.count()),
                 "a sleep was too short");
}

Task<> sleep_until_woken_step(World& world, Entry& self) {
    struct Seen {
        Entry& self;
        ~Seen() { self.wakes_seen = self.wakes.load(); }
    } const seen{self};
    const Waiting waiting{world, self, On::wake};
    co_await sleep_until_woken();
    world.expect(self.wakes.load() != 0, "a sleep ended that nobody ended");
}

Task<> join_step(World& world, Entry& self, const Step& step) {
    Entry* const entry = world.pick(step.which);
    if (entry == nullptr) co_return;
    const TaskHandle target = world.handle_of(*entry);
    const bool timed = step.op == Op::join_for;
    Join join_of_ours{world, self};
    const Waiting waiting{world, self, timed ? On::time : On::join, 0, entry};
    try {
        bool ended = true;
        const std::uint64_t began = world.scheduler->now_ns();
        if (timed)
            ended = co_await join_for(target, world.time(step.amount));
        else if (step.amount % 2 == 1)
            co_await join(target.tid());
        else
            co_await join(target);
        join_of_ours.answered();
        if (ended)
            world.expect(target.ended() && target.state() == TaskState::Finished, "a join returned before the end");
        else
            world.expect(
                world.scheduler->now_ns() >= began + static_cast<std::uint64_t>(world.time(step.amount).count()),
                "a join timed out too early");
    } catch (const TargetFailed& failed) {
        join_of_ours.answered();
        world.expect(target.state() == TaskState::Failed && failed.message() == target.error() &&
                         failed.target() == target.tid(),
                     "a join told of a failure that was none");
    } catch (const TargetCancelled& cancelled) {
        join_of_ours.answered();
        world.expect(target.state() == TaskState::Cancelled && cancelled.target() == target.tid(),
                     "a join told of a cancellation that was none");
    } catch (const JoinCycle&) {
        join_of_ours.answered();
        world.expect(!timed, "a join with a time-out refused a cycle");
    }
}

Task<> wait_step(World& world, Entry& self, const Step& step) {
    const bool timed = step.op == Op::wait_for;
    const std::size_t which = object_of(step);
    const Waiting waiting{world, self, timed ? On::time : On::event, which};
    const bool happened = co_await world.events[which].wait(timed ? world.time(step.amount) : kForever);
    world.expect(timed || happened, "a wait without a time-out timed out");
}

Task<> lock_step(World& world, Entry& self, const Step& step) {
    struct Held {
        World& world;
        std::size_t which;
        ~Held() { world.holds_no_more(which); }
    };
    const std::size_t which = object_of(step);
    std::optional<Waiting> waiting{std::in_place, world, self, On::mutex, which};
    const Mutex::Lock lock = co_await world.mutexes[which].lock();
    waiting->expect_no_earlier();
    waiting.reset();
    world.holds(which, self);
    const Held held{world, which};
    co_await run_steps(world, self, step.body, world.frame());
}

Task<> acquire_step(World& world, Entry& self, const Step& step) {
    struct Permit {
        World& world;
        std::size_t which;
        std::uint64_t count;
        ~Permit() {
            world.gives_back(which, count);
            world.semaphores[which].release(count);
        }
    };
    const std::size_t which = object_of(step);
    const std::uint64_t count = 1 + step.amount % World::kBounds[which];
    std::optional<Waiting> waiting{std::in_place, world, self, On::semaphore, which, nullptr, count};
    co_await world.semaphores[which].acquire(count);
    waiting.reset();
    world.took(which, count);
    const Permit permit{world, which, count};
    co_await run_steps(world, self, step.body, world.frame());
}

Task<> send_step(World& world, Entry& self, const Step& step) {
    const std::size_t which = object_of(step);
    const Value value = world.next_value(which, self);
    const Waiting waiting{world, self, On::send, which};
    const bool was_sent = co_await world.channels[which].send(value);
    if (was_sent) world.sent(which, value);
}

Task<> receive_step(World& world, Entry& self, const Step& step) {
    const std::size_t which = object_of(step);
    const Waiting waiting{world, self, On::receive, which};
    const std::optional<Value> value = co_await world.channels[which].receive();
    if (value) world.received(which, self, *value);
}

Task<> read_step(World& world, Entry& self, const Step& step) {
    const bool timed = step.amount % 2 == 1;
    const std::size_t which = object_of(step);
    const Waiting waiting{world, self, timed ? On::time : On::read, which};
    const bool ready = co_await readable(world.pipes[which].reader(), timed ? world.time(step.amount) : kForever);
    world.expect(timed || ready, "a wait without a time-out timed out");
    if (ready) world.pipes[which].get();
}

Task<> write_step(World& world, Entry& self, const Step& step) {
    const Waiting waiting{world, self, On::time};
    const bool ready = co_await writable(world.pipes[object_of(step)].reader(), world.time(step.amount));
    world.expect(ready, "a socket with room was not writable");
    world.pipes[object_of(step)].put();
}

Task<> wrong_fd_step(World& world) {
    bool thrown = false;
    try {
        co_await readable(-1);
    } catch (const std::system_error&) {
        thrown = true;
    }
    world.expect(thrown, "a descriptor that there is not can be read");
}

Task<> catches_step(World& world, Entry& self, const Step& step) {
    const TaskHandle me = co_await current_task();
    try {
        co_await run_steps(world, self, step.body, world.frame());
    } catch (const TaskCancelled& cancelled) {
        ++self.cancellations;
        world.expect(cancelled.tid() == me.tid(), "another task's cancellation arrived");
    }
}

Task<> fork_step(World& world, Entry& self, const Step& step) {
    const auto [entry, child] = world.fork(step.body);
    if (entry == nullptr) co_return;
    Join join_of_ours{world, self};
    const Waiting waiting{world, self, On::join, 0, entry};
    try {
        const std::size_t number = co_await join(child);
        join_of_ours.answered();
        world.expect(child.result() != nullptr && *child.result() == number && number == entry->number,
                     "a join gave another result");
    } catch (const JoinError&) {
        join_of_ours.answered();
        world.expect(child.state() != TaskState::Finished, "a join told of an end that was none");
    } catch (const JoinCycle&) {
        join_of_ours.answered();
    }
}

Task<> burn_step(World& world, const Step& step) {
    if (world.clock != nullptr) {
        world.clock->advance(static_cast<std::uint64_t>(world.time(step.amount).count()));
    } else {
        const std::uint64_t until =
            world.scheduler->now_ns() + static_cast<std::uint64_t>(world.time(step.amount).count());
        while (world.scheduler->now_ns() < until) {
        }
    }
    co_return;
}

/// A step that never suspends.
void do_step(World& world, const Step& step) {
    switch (step.op) {
        case Op::wake:
            world.wake(step.which);
            break;
        case Op::set:
            world.events[object_of(step)].set();
            break;
        case Op::reset:
            world.events[object_of(step)].reset();
            break;
        case Op::close:
            world.closes(object_of(step));
            world.channels[object_of(step)].close();
            break;
        case Op::cancel:
            world.cancel(step.which, false);
            break;
        case Op::post:
            world.post(step);
            break;
        case Op::spawn: {
            Entry* const other = step.amount % 2 == 1 ? world.pick(step.which) : nullptr;
            world.spawn({}, step.body, other != nullptr ? std::vector{other} : std::vector<Entry*>{});
            break;
        }
        default:
            throw StepFailed{};
    }
}

Task<> run_steps(World& world, Entry& self, const std::vector<Step>& steps, FrameCount) {
    for (const Step& step : steps) {
        world.step_done();
        switch (step.op) {
            case Op::yield:
                co_await yield_step(world, self);
                break;
            case Op::sleep:
            case Op::sleep_until:
                co_await sleep_step(world, self, step);
                break;
            case Op::sleep_until_woken:
                co_await sleep_until_woken_step(world, self);
                break;
            case Op::join:
            case Op::join_for:
                co_await join_step(world, self, step);
                break;
            case Op::wait:
            case Op::wait_for:
                co_await wait_step(world, self, step);
                break;
            case Op::lock:
                co_await lock_step(world, self, step);
                break;
            case Op::acquire:
                co_await acquire_step(world, self, step);
                break;
            case Op::send:
                co_await send_step(world, self, step);
                break;
            case Op::receive:
                co_await receive_step(world, self, step);
                break;
            case Op::read:
                co_await read_step(world, self, step);
                break;
            case Op::write:
                co_await write_step(world, self, step);
                break;
            case Op::wrong_fd:
                co_await wrong_fd_step(world);
                break;
            case Op::catches:
                co_await catches_step(world, self, step);
                break;
            case Op::call:
                co_await run_steps(world, self, step.body, world.frame());
                break;
            case Op::fork:
                co_await fork_step(world, self, step);
                break;
            case Op::burn:
                co_await burn_step(world, step);
                break;
            default:
                do_step(world, step);
        }
    }
    world.step_done();
}

Task<> run_to_the_end(World& world, Entry& self, const std::vector<Step>& steps) {
    self.begun = true;
    const TaskHandle me = co_await current_task();
    try {
        co_await run_steps(world, self, steps, world.frame());
    } catch (const TaskCancelled& cancelled) {
        ++self.cancellations;
        world.expect(cancelled.tid() == me.tid(), "another task's cancellation arrived");
        self.outcome = Outcome::cancelled;
        throw;
    } catch (...) {
        self.outcome = Outcome::failed;
        throw;
    }
    self.outcome = Outcome::finished;
}

}  // namespace

Task<> run_task(World& world, Entry& self, const std::vector<Step>& steps, FrameCount) {
    co_await run_to_the_end(world, self, steps);
}

Task<std::size_t> run_fork(World& world, Entry& self, const std::vector<Step>& steps, FrameCount) {
    co_await run_to_the_end(world, self, steps);
    co_return self.number;
}

Task<> drain(World& world, std::size_t channel, FrameCount) {
    Entry nobody;
    nobody.number = World::kMaxTasks;
    world.closes(channel);
    world.channels[channel].close();
    for (;;) {
        const std::optional<Value> value = co_await world.channels[channel].receive();
        if (!value) break;
        world.received(channel, nobody, *value);
    }
}

}  // namespace tiffany::testing
