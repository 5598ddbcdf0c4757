#include "pal_hub.hpp"

#include <cstdlib>
#include <stdexcept>
#include <tiffany/telemetry/sink.hpp>
#include <tiffany/tracepoints/unseen.hpp>
#include <utility>

#include "pal_sink_outlet.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany {

namespace {

detail::PalHub& sinks() noexcept {
    return detail::Process::get().pal(detail::PalExit::sink);
}

}  // namespace

void install_sink(std::shared_ptr<pal::Sink> sink, const SinkOptions& options) {
    if (sink == nullptr) throw std::invalid_argument{"cannot install a sink: it is null"};
    if (sinks().here()) throw std::logic_error{"cannot install a sink from a sink's own call"};
    // after main: before the objects go that were there when the first sink was installed, for it may use them
    [[maybe_unused]] static const int registered = std::atexit([] { uninstall_sink(); });
    sinks().install(std::make_unique<detail::PalSinkOutlet>(std::move(sink)), options, {}, true);
}

bool uninstall_sink() noexcept {
    return sinks().uninstall();
}

bool flush_sink() noexcept {
    return sinks().flush();
}

SinkStats sink_stats() noexcept {
    return sinks().stats();
}

namespace detail {

void PalHub::install(std::unique_ptr<PalOutlet> outlet, const SinkOptions& options, const PalPace& pace, bool here) {
    const Unseen unseen;
    const auto writer = std::make_shared<PalWriter>(mutex_, counters_, std::move(outlet), options, pace);
    PalWriter::start(writer);
    for (;;) {
        uninstall();
        const std::lock_guard lock{mutex_};
        if (current_ != nullptr) continue;  // another thread was faster
        current_ = writer;
        installed_.store(true, std::memory_order_release);
        break;
    }
    Process& process = Process::get();
    process.for_each_core([](SchedulerCore& core) { core.offer_rings(); });
    process.bump();
    if (here) catch_up_here();
}

bool PalHub::uninstall() noexcept {
    if (here()) return false;
    const Unseen unseen;
    std::shared_ptr<PalWriter> writer;
    {
        const std::lock_guard lock{mutex_};
        writer = std::move(current_);
        current_ = nullptr;
        installed_.store(false, std::memory_order_release);
    }
    if (writer == nullptr) return true;
    Process& process = Process::get();
    process.for_each_core([&](SchedulerCore& core) { core.withdraw_rings(writer.get()); });
    writer->retire_rings(process.bump());
    return writer->finish();
}

bool PalHub::flush() noexcept {
    if (here()) return false;
    const Unseen unseen;
    if (!installed_.load(std::memory_order_acquire)) return true;
    const std::shared_ptr<PalWriter> writer = current();
    return writer == nullptr || writer->flush();
}

std::shared_ptr<PalRing> PalHub::make_ring(const Clock& clock, const PalRing* offered,
                                           std::vector<std::shared_ptr<PalRing>>& rings) noexcept {
    if (!installed_.load(std::memory_order_acquire) || here()) return nullptr;
    const std::shared_ptr<PalWriter> writer = current();
    if (writer == nullptr || (offered != nullptr && offered->owner() == writer.get())) return nullptr;
    try {
        rings.reserve(rings.size() + 1);
        std::shared_ptr<PalRing> ring = writer->make_ring(clock);
        rings.push_back(ring);
        return ring;
    } catch (...) {
        counters_.workers_without_ring.fetch_add(1, std::memory_order_relaxed);
        return nullptr;
    }
}

SinkStats PalHub::stats() const noexcept {
    const auto of = [](const std::atomic<std::uint64_t>& number) { return number.load(std::memory_order_relaxed); };
    return {.records = of(counters_.records),
            .transitions = of(counters_.transitions),
            .refused = of(counters_.refused),
            .refused_transitions = of(counters_.refused_transitions),
            .lost = of(counters_.lost),
            .lost_others = of(counters_.lost_others),
            .gaps = of(counters_.gaps),
            .flushes_timed_out = of(counters_.flushes_timed_out),
            .workers_without_ring = of(counters_.workers_without_ring)};
}

void PalHub::lock() noexcept {
    mutex_.lock();
    if (current_ == nullptr) return;
    locked_ = &current_->outlet();
    locked_->lock();
}

void PalHub::unlock() noexcept {
    if (locked_ != nullptr) std::exchange(locked_, nullptr)->unlock();
    mutex_.unlock();
}

void PalHub::become_child() noexcept {
    for (auto* number : {&counters_.records, &counters_.transitions, &counters_.refused, &counters_.refused_transitions,
                         &counters_.lost, &counters_.lost_others, &counters_.gaps, &counters_.flushes_timed_out,
                         &counters_.workers_without_ring})
        number->store(0, std::memory_order_relaxed);
    if (current_ == nullptr) return;
    installed_.store(false, std::memory_order_relaxed);
    current_->become_child();
    // never destroyed: a sink's destructor would write, once more, what is the parent's
    left_behind_.push_back(std::move(current_));
    current_ = nullptr;
}

}  // namespace detail
}  // namespace tiffany
