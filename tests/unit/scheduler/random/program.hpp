#pragma once
/// Programs for a scheduler as values: made at random, made smaller, printed.

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <vector>

namespace tiffany::testing {

/// What a task does in one step. `which` picks an object or one of the tasks that there are, `amount` says how long or
/// how many, `body` is what is done meanwhile.
enum class Op : std::uint8_t {
    yield,
    sleep,
    sleep_until,
    sleep_until_woken,
    wake,      // a task
    join,      // a task; an odd amount: by its number
    join_for,  // a task
    wait,      // for an event
    wait_for,  // for an event, with a time-out
    set,       // an event
    reset,     // an event
    lock,      // a mutex, for the body
    acquire,   // of a semaphore, for the body
    send,      // into a channel
    receive,   // from a channel
    close,     // a channel
    read,      // a byte, when there is one; an odd amount: with a time-out
    write,     // a byte
    wrong_fd,  // waits for a descriptor that there is not
    fail,      // throws
    cancel,    // a task
    catches,   // the body; a cancellation that leaves it is forgotten
    call,      // the body, as a coroutine of its own
    spawn,     // the body, as a task of its own; an odd amount: when a task has finished
    fork,      // the body, as a task that returns something; and joins it
    burn,      // time
    post       // a function
};
inline constexpr std::size_t kOps = static_cast<std::size_t>(Op::post) + 1;

std::string_view name_of(Op op);
bool has_body(Op op);

struct Step {
    Op op = Op::yield;
    unsigned which = 0;
    unsigned amount = 0;
    std::vector<Step> body;
};

struct Script {
    unsigned priority = 10;
    unsigned quantum = 0;  // 0 = the scheduler's
    unsigned budget = 0;   // 0 = none
    bool pinned = false;
    std::vector<unsigned> after;  // it depends on these tasks
    std::vector<Step> steps;
};

/// How what is still alive is ended.
enum class Ending : std::uint8_t {
    cancel_each,  // task by task
    cancel_all,
    release,  // all that is waited for happens; then as cancel_all
    shutdown,
    close,
    close_at_once  // without waiting until nothing moves any more
};
inline constexpr std::size_t kEndings = static_cast<std::size_t>(Ending::close_at_once) + 1;

struct Program {
    unsigned workers = 0;   // of the pool; not used with one worker
    unsigned max_live = 0;  // 0 = no bound
    Ending ending = Ending::cancel_each;
    std::vector<Script> tasks;
    std::vector<Step> foreign;  // what another thread does: spawn, wake, cancel, write, post, burn
};

/// A program as `seed` says. `size`, 0 to 100: how large it may be.
Program random_program(std::uint64_t seed, int size);
/// Programs that are a little smaller, the smallest first.
std::vector<Program> smaller(const Program& program);

/// Whether a step anywhere in it is one of that kind.
bool has(const Program& program, Op op);
/// Steps anywhere in it.
std::size_t steps_of(const Program& program);

std::ostream& operator<<(std::ostream& out, const Program& program);

}  // namespace tiffany::testing
