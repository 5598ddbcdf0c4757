#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <exception>
#include <future>
#include <string>
#include <system_error>
#include <tiffany/scheduler/scheduler_pool.hpp>
#include <tiffany/telemetry/detail/signals_blocked.hpp>

#include "engine.hpp"

namespace tiffany {
namespace {

/// The CPUs that this process may use.
std::vector<int> usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    if (cpus.empty()) cpus.push_back(0);
    return cpus;
}

void pin(std::jthread& thread, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    if (const int error = pthread_setaffinity_np(thread.native_handle(), sizeof set, &set); error != 0)
        throw std::system_error{error, std::system_category(),
                                "cannot pin a worker's thread to CPU " + std::to_string(cpu)};
}

}  // namespace

SchedulerPool::SchedulerPool(const SchedulerOptions& options, const PoolOptions& pool, HooksOf)
    : SchedulerBase{std::make_unique<detail::Engine>(
          *this, options, pool.workers != 0 ? pool.workers : static_cast<unsigned>(usable_cpus().size()))} {
    const std::vector<int> cpus = usable_cpus();
    try {
        const detail::AllSignalsBlocked blocked;
        for (std::size_t i = 0; i < engine_->loops(); ++i) {
            std::promise<void> begun;
            threads_.emplace_back([&loop = engine_->loop(i), &begun] {
                try {
                    loop.take_worker();
                } catch (...) {
                    begun.set_exception(std::current_exception());
                    return;
                }
                begun.set_value();
                loop.serve();
            });
            begun.get_future().get();
            if (pool.pin_threads) pin(threads_.back(), cpus[i % cpus.size()]);
        }
    } catch (...) {
        end();
        throw;
    }
}

SchedulerPool::~SchedulerPool() {
    end();
}

unsigned SchedulerPool::workers() const noexcept {
    return static_cast<unsigned>(engine_->loops());
}

void SchedulerPool::wait() {
    engine_->refuse_own_threads("wait for");
    engine_->wait_until_done(detail::Operation::kNever);
}

bool SchedulerPool::shutdown(std::chrono::nanoseconds timeout) {
    engine_->refuse_own_threads("shut down");
    const std::uint64_t timeout_ns = detail::count_of(timeout);
    engine_->refuse_spawns();
    engine_->take_stop();  // of before
    if (engine_->wait_until_done(detail::later(now_ns(), timeout_ns))) return true;
    engine_->cancel_all();
    engine_->wait_until_done(detail::later(now_ns(), timeout_ns));
    return false;
}

void SchedulerPool::close() {
    engine_->refuse_own_threads("close");
    end();
}

void SchedulerPool::end() noexcept {
    for (std::size_t i = 0; i < engine_->loops(); ++i)
        engine_->loop(i).retire();
    threads_.clear();  // joins them
    engine_->close();
}

}  // namespace tiffany
