#include <tiffany/scheduler/scheduler.hpp>

#include "engine.hpp"

namespace tiffany {

Scheduler::Scheduler(const SchedulerOptions& options, HooksOf)
    : engine_{std::make_unique<detail::Engine>(*this, options)} {}

Scheduler::~Scheduler() {
    engine_->close();  // while engine_ still points to it: the tasks' destructors may come here
}

TaskHandle Scheduler::spawn_frame(const SpawnOptions& options, detail::Frame frame, Site site) {
    return engine_->spawn(options, std::move(frame), site);
}

void Scheduler::run() {
    engine_->run(false);
}

void Scheduler::run_until_idle() {
    engine_->run(true);
}

void Scheduler::stop() noexcept {
    engine_->stop();
}

void Scheduler::post(std::function<void()> function) {
    engine_->post(std::move(function));
}

void Scheduler::shutdown() noexcept {
    engine_->shutdown();
}

void Scheduler::close() noexcept {
    engine_->close();
}

TaskHandle Scheduler::find(std::uint64_t tid) const noexcept {
    return engine_->find(tid);
}

std::size_t Scheduler::live() const noexcept {
    return engine_->live();
}

std::uint64_t Scheduler::now_ns() const noexcept {
    return engine_->now_ns();
}

SchedulerTelemetry& Scheduler::telemetry() noexcept {
    return engine_->telemetry();
}

}  // namespace tiffany
