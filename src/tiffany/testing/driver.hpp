#pragma once
/// What the author of a runtime writes for the conformance suite: what the runtime can do, and how it does the steps of
/// a program.
///
///     class MyDriver : public Driver {
///         Model model() const override { return {.can = {Can::yield, Can::fail}}; }
///         void run(Stage& stage) override {
///             MyRuntime runtime;
///             for (const std::size_t task : stage.program().at_start())
///                 runtime.spawn(..., [&stage, &steps = stage.script(task).steps] { ... });
///             runtime.run();
///         }
///     };
///
/// docs/testing.md has one in full.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/spawn_info.hpp>
#include <tiffany/testing/program.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany::testing {

/// What a runtime can do, and how it tells of it where the contract leaves a choice.
struct Model {
    Abilities can = {};
    std::size_t most_workers = 1;           ///< threads that may run tasks together
    TaskEvent block = TaskEvent::Sleep;     ///< with Can::wake: Sleep (time 0) or Wait
    WaitReason reason = WaitReason::event;  ///< with Can::event: what its Wait tells
    bool virtual_time = false;              ///< its clock is Stage::clock()
    bool names_wakers = true;               ///< false: Ready and Cancelled may tell 0 where a task did it
    bool exact_sleeps = true;  ///< false: Sleep tells how long it is to the timer's expiry, at most what was asked for
    bool ticks = true;  ///< false: it has no loop of its own to make Worker::Tick in, and only parks are looked at
    bool parks = true;  ///< false: its threads never block while they have nothing to run, so they do not park
};

class Stage;

/// Any object that the suite can ask; it is used for one program after the other.
class Driver {
  public:
    virtual ~Driver() = default;
    virtual Model model() const = 0;

    /// Makes a runtime, has it run the program, and destroys it, its SchedulerTelemetry too. The calling thread is free
    /// to be the runtime's. What it throws is a finding.
    virtual void run(Stage& stage) = 0;

    /// Where a task is now: None before its spawn, and the state in which it ended after its end, until `run` returns.
    /// Needed for programs with Do::until. Called by tasks, and by the thread that plays `outside`.
    virtual TaskState state(std::size_t task) const {
        static_cast<void>(task);
        return TaskState::None;
    }
};

/// One run of one program: what a driver plays, and what it needs for it. Thread-safe.
class Stage {
  public:
    /// @param deadline  how long the run may take before `in_time` is false and `reached` throws
    Stage(const Program& program, const Driver& driver, std::chrono::nanoseconds deadline);
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    const Program& program() const { return program_; }
    const Script& script(std::size_t task) const { return program_.tasks[task]; }
    /// What the spawn of a task gives as its name, valid as long as this, and as its site: one of its own.
    const char* name(std::size_t task) const { return script(task).name.c_str(); }
    Site site(std::size_t task) const;

    /// The time of a runtime with Model::virtual_time; `act` lets it pass for Do::burn.
    VirtualClock& clock() { return clock_; }

    /// Does a step for which no runtime is needed: burn, write, fail (throws). Returns whether it was one.
    bool act(const Step& step);
    /// Whether the task of a Do::until is where the step waits for it; gives the CPU away if not. Errors:
    /// std::runtime_error after the deadline, saying where it is.
    bool reached(const Step& step) const;
    /// False after the deadline: a driver's loop that would wait for ever gives up.
    bool in_time() const;
    /// For a driver whose runtime blocks while it waits for a wake: a thread that calls `stop` after the deadline, once
    /// a millisecond, until the thread's object dies. `stop` makes the runtime return from its run; any thread may call
    /// it.
    ///
    ///     const std::jthread giving_up = stage.give_up_by([&] { runtime.stop(); });
    ///     runtime.run();
    [[nodiscard]] std::jthread give_up_by(std::function<void()> stop) const;

    /// A descriptor of its own for each pipe.
    int readable_end(std::size_t pipe) const;
    std::size_t pipes() const { return pipes_.size(); }

    /// Plays Program::outside on the calling thread, which is not one of the runtime's; `play` does spawn and wake.
    /// What that throws is a finding. Returns when all is done.
    void play_outside(const std::function<void(const Step&)>& play);
    bool outside_is_done() const;

    /// What went wrong in the run itself.
    std::vector<std::string> findings() const;

  private:
    struct Pipe {
        int read = -1;
        int write = -1;
    };

    const Program& program_;
    const Driver& driver_;
    std::chrono::steady_clock::time_point deadline_;
    std::chrono::nanoseconds allowed_;
    bool virtual_time_;
    VirtualClock clock_;
    std::vector<Pipe> pipes_;
    mutable std::atomic<std::uint32_t> polls_{0};
    mutable std::mutex mutex_;
    bool outside_is_done_;               // these two are guarded by the lock
    std::vector<std::string> findings_;  // of the thread that plays outside
};

}  // namespace tiffany::testing
