#include <tiffany/testing/memory_sink.hpp>

#include <unistd.h>

#include <atomic>
#include <stdexcept>

namespace tiffany::testing {
namespace {

/// The process whose ScopedSink lives; 0: none. A forked child has no sink, whatever its parent had.
std::atomic<pid_t> holder{0};

void take_place() {
    pid_t found = holder.load();
    do {
        if (found == ::getpid())
            throw std::logic_error{
                "cannot install a second ScopedSink: one lives in this process already, and its recording would end "
                "here; let that one die first, or ask it"};
    } while (!holder.compare_exchange_weak(found, ::getpid()));
}

void leave_place() noexcept {
    pid_t own = ::getpid();
    holder.compare_exchange_strong(own, 0);
}

}  // namespace

void MemorySink::record(const pal::Record& record) {
    const std::lock_guard lock{mutex_};
    records_.push_back(record);
}

void MemorySink::gap(const pal::Gap& gap) {
    const std::lock_guard lock{mutex_};
    gaps_.push_back(gap);
}

Recording MemorySink::recording() const {
    const std::lock_guard lock{mutex_};
    return {records_, gaps_};
}

void MemorySink::clear() {
    const std::lock_guard lock{mutex_};
    records_.clear();
    gaps_.clear();
}

ScopedSink::ScopedSink(const SinkOptions& options) {
    take_place();
    try {
        install_sink(sink_, options);
    } catch (...) {
        leave_place();
        throw;
    }
}

ScopedSink::~ScopedSink() {
    uninstall_sink();
    leave_place();
}

void ScopedSink::flush_or_throw() const {
    if (!flush()) throw std::runtime_error{"cannot flush the sink within its flush_timeout"};
}

Recording ScopedSink::recording() const {
    flush_or_throw();
    return sink_->recording();
}

void ScopedSink::clear() {
    flush_or_throw();
    sink_->clear();
}

}  // namespace tiffany::testing
