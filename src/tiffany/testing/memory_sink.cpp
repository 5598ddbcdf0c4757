#include <tiffany/testing/memory_sink.hpp>

#include <stdexcept>

namespace tiffany::testing {

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
    install_sink(sink_, options);
}

ScopedSink::~ScopedSink() {
    uninstall_sink();
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
