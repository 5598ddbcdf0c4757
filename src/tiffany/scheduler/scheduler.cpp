#include <tiffany/scheduler/scheduler.hpp>

#include "engine.hpp"

namespace tiffany {

// ---- what both kinds have ----

SchedulerBase::SchedulerBase(std::unique_ptr<detail::Engine> engine) noexcept : engine_{std::move(engine)} {}
SchedulerBase::~SchedulerBase() = default;

TaskHandle SchedulerBase::spawn_frame(const SpawnOptions& options, detail::Frame frame, Site site,
                                      detail::KeepResult keep) {
    return engine_->spawn(options, std::move(frame), site, keep);
}

void SchedulerBase::post(std::function<void()> function) {
    engine_->post(std::move(function));
}

bool SchedulerBase::cancel(std::uint64_t tid) {
    return engine_->cancel(tid);
}

void SchedulerBase::cancel_all() {
    engine_->cancel_all();
}

void SchedulerBase::stop() noexcept {
    engine_->stop();
}

TaskHandle SchedulerBase::find(std::uint64_t tid) const noexcept {
    return engine_->find(tid);
}

std::size_t SchedulerBase::live() const noexcept {
    return engine_->live();
}

std::uint64_t SchedulerBase::now_ns() const noexcept {
    return engine_->now_ns();
}

SchedulerTelemetry& SchedulerBase::telemetry() noexcept {
    return engine_->telemetry();
}

// ---- one thread ----

using detail::Loop;
using detail::Operation;

namespace {

/// One call that runs a scheduler's loop. Errors: std::logic_error, and it may not.
class Drive {
  public:
    explicit Drive(detail::Engine& engine) : engine_{engine} { engine_.begin_driving(); }
    ~Drive() { engine_.end_driving(); }
    Drive(const Drive&) = delete;
    Drive& operator=(const Drive&) = delete;

    void run(Loop::Until until, std::uint64_t deadline_ns) { engine_.loop(0).run(until, deadline_ns); }

  private:
    detail::Engine& engine_;
};

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, HooksOf)
    : SchedulerBase{std::make_unique<detail::Engine>(*this, options, 0)} {}

Scheduler::~Scheduler() {
    engine_->close();  // while it is whole: the tasks' destructors may come here
}

void Scheduler::run() {
    Drive{*engine_}.run(Loop::Until::nothing_lives, Operation::kNever);
}

void Scheduler::run_until_idle() {
    Drive{*engine_}.run(Loop::Until::nothing_is_ready, Operation::kNever);
}

bool Scheduler::shutdown(std::chrono::nanoseconds timeout) {
    Drive drive{*engine_};
    const std::uint64_t timeout_ns = detail::count_of(timeout);
    const auto run_for_timeout = [&] {
        drive.run(Loop::Until::nothing_lives, detail::later(now_ns(), timeout_ns));
        return live() == 0;
    };
    engine_->refuse_spawns();
    engine_->take_stop();  // of before
    if (run_for_timeout()) return true;
    engine_->cancel_all();
    run_for_timeout();
    return false;
}

void Scheduler::close() {
    engine_->refuse_within("close");
    engine_->close();
}

}  // namespace tiffany
