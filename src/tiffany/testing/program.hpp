#pragma once
/// What the conformance suite has a runtime do: tasks with steps. From a program alone it follows which hooks each task
/// must fire.
///
///     const Program program{
///         .name = "AWaiterIsWokenByWhoSetsItsEvent",
///         .tasks = {{.name = "waiter", .steps = {Step::wait(0)}},
///                   {.name = "setter", .steps = {Step::until(0, kSuspended), Step::set(0)}}},
///     };
///
/// Tasks, events, pipes and so on are numbers, from 0. Programs are so made that every order in which a runtime may run
/// their tasks gives the same hooks.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {

/// What a runtime can do: a driver names these (Model::can), a program needs some.
enum class Can : std::uint8_t {
    yield,
    fail,            ///< an exception that leaves a task ends it as Failed
    spawn,           ///< a task spawns a task
    sleep,           ///< for a time
    event,           ///< wait for an event that another task sets
    lock,            ///< wait for a lock that another task holds
    semaphore,       ///< wait for a semaphore that another task releases
    channel,         ///< wait for room in a channel, and for a value from one, with room for one value
    wake,            ///< suspend until another task wakes it
    join,            ///< wait for the end of a task
    io,              ///< wait until a descriptor can be read
    timeout,         ///< give a wait, a join or an io wait a time-out
    cancel,          ///< cancel a task from another, and from itself
    catch_cancel,    ///< a cancelled task can catch it and go on
    quantum,         ///< a yield after a run longer than its quantum, which is below kLongRun, is Throttled(0)
    budget,          ///< a yield past a task's budget is Throttled(t)
    dependencies,    ///< a task begins when others have finished, and is cancelled when one fails
    shutdown,        ///< the runtime asks what is alive to end, and runs it until it has ended
    destroy,         ///< tasks that never ran are cancelled when the runtime is destroyed
    destroy_asleep,  ///< the same of tasks that sleep or wait
    outside_spawn,   ///< a thread that is not the runtime's spawns a task
    outside_wake,    ///< the same wakes one that is suspended until woken
    groups,          ///< a spawn names a group
    priorities,      ///< a spawn gives a priority
    sites,           ///< a spawn gives its place in the source
};

/// A set of these.
class Abilities {
  public:
    constexpr Abilities() = default;
    constexpr Abilities(std::initializer_list<Can> list) {
        for (const Can one : list)
            add(one);
    }
    constexpr void add(Can one) { bits_ |= std::uint32_t{1} << static_cast<unsigned>(one); }
    constexpr void add(Abilities others) { bits_ |= others.bits_; }
    constexpr bool has(Can one) const { return (bits_ >> static_cast<unsigned>(one) & 1) != 0; }
    constexpr bool has(Abilities others) const { return (others.bits_ & ~bits_) == 0; }
    constexpr Abilities without(Abilities others) const {
        Abilities rest;
        rest.bits_ = bits_ & ~others.bits_;
        return rest;
    }
    constexpr bool empty() const { return bits_ == 0; }
    /// "yield, sleep"
    std::string text() const;

  private:
    std::uint32_t bits_ = 0;
};

/// What a step does. The comment says what a driver does for it; `target` is the number of a task, event, lock,
/// semaphore, channel or pipe.
enum class Do : std::uint8_t {
    yield,    ///< gives way
    spin,     ///< gives way again and again, until the cancellation arrives there
    sleep,    ///< sleeps for `time`
    wait,     ///< waits for event `target`; with a `timeout` not longer than that
    set,      ///< sets event `target`: wakes who waits for it, and whoever comes later need not wait
    block,    ///< suspends until `wake`; returns at once if a wake came before
    lock,     ///< takes lock `target`, which no other task has then
    unlock,   ///< gives it back: the task that waits for it has it now
    acquire,  ///< takes one from semaphore `target`, which begins with none
    release,  ///< gives it one
    send,     ///< puts a value into channel `target`, which has room for one
    receive,  ///< takes one out of it
    wake,     ///< wakes task `target`
    join,     ///< waits for the end of task `target`, however it ends; `timeout`
    read,     ///< waits until Stage::readable_end(target) can be read; `timeout`
    write,    ///< Stage::act: makes pipe `target` readable
    spawn,    ///< spawns task `target`
    cancel,   ///< asks task `target` to end
    until,    ///< gives way until Stage::reached(step)
    burn,     ///< Stage::act: runs for `time`
    fail,     ///< Stage::act: throws std::runtime_error{text}
};

/// What becomes of a step, as the program is made to have it; a driver looks at `caught` alone.
enum class Outcome : std::uint8_t {
    as_asked,
    at_once,                ///< the thing is there already: no suspension, no hook
    woken_before,           ///< block: the wake came first, which makes it a Yield
    timed_out,              ///< the timeout is over first
    over_quantum,           ///< yield: the run was longer than the quantum
    over_budget,            ///< yield: the task is past its budget
    cancelled_over_budget,  ///< the same, and the cancellation arrives before the quota, and ends it
    cancelled,              ///< the cancellation arrives while the task is suspended here, and ends it
    caught,                 ///< the same, but the task catches it and goes on with the next step
    cancelled_before,       ///< the request came while it ran: thrown here, and ends the task
    destroyed,              ///< the runtime is destroyed while the task is suspended here
};

/// Longer than the quantum of every runtime that has Can::quantum.
inline constexpr std::chrono::nanoseconds kLongRun{std::chrono::milliseconds{10}};

/// States in which a task is suspended, and in which it has ended.
inline constexpr catalogue::StateSet kSuspended{TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled};
inline constexpr catalogue::StateSet kEnded{TaskState::Finished, TaskState::Failed, TaskState::Cancelled};

struct Step {
    using Time = std::chrono::nanoseconds;

    Do what = Do::yield;
    std::size_t target = 0;
    Time time{0};
    Time timeout{0};  ///< 0: none
    std::string text = {};
    catalogue::StateSet states = kSuspended;  ///< until: those that it waits for
    Outcome outcome = Outcome::as_asked;

    static Step yield() { return {.what = Do::yield}; }
    static Step spin() { return {.what = Do::spin, .outcome = Outcome::cancelled}; }
    static Step sleep(Time time) { return {.what = Do::sleep, .time = time}; }
    static Step wait(std::size_t event) { return {.what = Do::wait, .target = event}; }
    static Step set(std::size_t event) { return {.what = Do::set, .target = event}; }
    static Step lock(std::size_t lock) { return {.what = Do::lock, .target = lock}; }
    static Step unlock(std::size_t lock) { return {.what = Do::unlock, .target = lock}; }
    static Step acquire(std::size_t semaphore) { return {.what = Do::acquire, .target = semaphore}; }
    static Step release(std::size_t semaphore) { return {.what = Do::release, .target = semaphore}; }
    static Step send(std::size_t channel) { return {.what = Do::send, .target = channel}; }
    static Step receive(std::size_t channel) { return {.what = Do::receive, .target = channel}; }
    static Step block() { return {.what = Do::block}; }
    static Step wake(std::size_t task) { return {.what = Do::wake, .target = task}; }
    static Step join(std::size_t task) { return {.what = Do::join, .target = task}; }
    static Step read(std::size_t pipe) { return {.what = Do::read, .target = pipe}; }
    static Step write(std::size_t pipe) { return {.what = Do::write, .target = pipe}; }
    static Step spawn(std::size_t task) { return {.what = Do::spawn, .target = task}; }
    static Step cancel(std::size_t task) { return {.what = Do::cancel, .target = task}; }
    /// What follows it in the task must not begin with the hook Yield, Throttled or Sleep: it may give way by these.
    static Step until(std::size_t task, catalogue::StateSet states) {
        return {.what = Do::until, .target = task, .states = states};
    }
    static Step burn(Time time) { return {.what = Do::burn, .time = time}; }
    static Step fail(std::string text) { return {.what = Do::fail, .text = std::move(text)}; }

    // The same with an outcome: Step::sleep(1h).cancelled()
    Step at_once() const { return with(Outcome::at_once); }
    Step woken_before() const { return with(Outcome::woken_before); }
    Step over_quantum() const { return with(Outcome::over_quantum); }
    Step over_budget() const { return with(Outcome::over_budget); }
    Step cancelled_over_budget() const { return with(Outcome::cancelled_over_budget); }
    Step cancelled() const { return with(Outcome::cancelled); }
    Step caught() const { return with(Outcome::caught); }
    Step cancelled_before() const { return with(Outcome::cancelled_before); }
    Step destroyed() const { return with(Outcome::destroyed); }
    Step timed_out(Time after) const {
        Step step = with(Outcome::timed_out);
        step.timeout = after;
        return step;
    }

  private:
    Step with(Outcome its_outcome) const {
        Step step{*this};
        step.outcome = its_outcome;
        return step;
    }
};

/// A task: what is told at its spawn, and its steps. After the last one it returns.
struct Script {
    std::string name;  ///< its own in the program: by it the suite finds the task's hooks
    std::vector<Step> steps = {};
    std::string group = {};  ///< empty: the default one
    std::uint8_t priority = 10;
    std::vector<std::size_t> dependencies = {};  ///< tasks
    Outcome start = Outcome::as_asked;           ///< cancelled: while it waits for its dependencies
    std::chrono::nanoseconds budget{0};          ///< in each budget_period; 0: none
    std::chrono::nanoseconds budget_period{0};
};

/// How a run ends.
enum class Ending : std::uint8_t {
    all_ended,  ///< when no task is alive
    not_run,    ///< the runtime is destroyed before it runs anything
    idle,       ///< the runtime is destroyed when no task can run, without any time passing
    shutdown,   ///< the same, but it asks the tasks that are alive to end (cause shutdown), and runs them
};

struct Program {
    std::string name;  ///< a sentence in one word: the test's name
    std::vector<Script> tasks = {};
    std::vector<Step> outside = {};  ///< done by a thread that is not the runtime's: until, spawn, wake, write
    std::size_t workers = 1;         ///< threads that run tasks
    Ending ending = Ending::all_ended;
    bool virtual_time = false;  ///< needs Model::virtual_time: on a real clock its hooks depend on the machine's speed
    bool parks = false;         ///< no task can run for long: on a real clock a worker that runs them parks

    /// The tasks that the driver spawns before it runs, in this order: those that no step spawns.
    std::vector<std::size_t> at_start() const;
    /// What a runtime must be able to do.
    Abilities needs() const;
};

/// The suite's own programs.
const std::vector<Program>& conformance_programs();

}  // namespace tiffany::testing
