#include "pal_writer.hpp"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/detail/signals_blocked.hpp>
#include <utility>

#include "pal_decode.hpp"

namespace tiffany::detail {
namespace {

constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours{24};

thread_local constinit bool is_writer = false;

std::uint64_t ns_of(clockid_t clock) noexcept {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

SinkOptions in_bounds(SinkOptions options) noexcept {
    options.poll = std::clamp(options.poll, std::chrono::milliseconds{1}, kLongestWait);
    options.flush_timeout = std::clamp(options.flush_timeout, std::chrono::milliseconds{0}, kLongestWait);
    return options;
}

std::string host_name() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return {};
    return name.data();
}

void add(std::atomic<std::uint64_t>& number, std::uint64_t by) noexcept {
    number.fetch_add(by, std::memory_order_relaxed);
}

/// Returns whether the sink's call came back without an exception.
template <typename Call>
bool returns(const Call& call) noexcept {
    try {
        call();
        return true;
    } catch (...) {
        return false;
    }
}

}  // namespace

PalWriter::PalWriter(std::mutex& mutex, PalCounters& counters, std::shared_ptr<pal::Sink> sink,
                     const SinkOptions& options)
    : mutex_{mutex},
      counters_{counters},
      options_{in_bounds(options)},
      epoch_ns_{ns_of(CLOCK_REALTIME) - ns_of(CLOCK_MONOTONIC)},
      sink_{std::move(sink)} {
    record_.host = host_name();
    // any event's strings fit: decoding one allocates nothing, so that it cannot fail
    for (const catalogue::EventInfo& event : catalogue::events())
        for (const catalogue::FieldInfo& field : event.fields)
            if (field.is_string())
                for (std::string& text : record_.texts)
                    text.reserve(std::max(text.capacity(), field.max_bytes));
}

void PalWriter::start(const std::shared_ptr<PalWriter>& writer) {
    const AllSignalsBlocked blocked;
    writer->thread_ = std::thread{[writer] { writer->run(); }};
    pthread_setname_np(writer->thread_.native_handle(), "tiffany-pal");
}

bool PalWriter::here() noexcept {
    return is_writer;
}

std::shared_ptr<PalRing> PalWriter::make_ring(const Clock& clock) {
    auto lane = std::make_unique<Lane>(std::make_shared<PalRing>(options_.ring_bytes, clock, options_.ticks, this));
    std::shared_ptr<PalRing> ring = lane->ring;
    const std::lock_guard lock{mutex_};
    lanes_.push_back(std::move(lane));
    return ring;
}

void PalWriter::retire_rings(std::uint32_t generation) noexcept {
    const std::lock_guard lock{mutex_};
    for (const auto& lane : lanes_)
        lane->ring->retired_at.store(generation, std::memory_order_release);
}

bool PalWriter::flush() noexcept {
    std::unique_lock lock{mutex_};
    const std::uint64_t wanted = ++flushes_wanted_;
    wake_.notify_one();
    if (told_.wait_for(lock, options_.flush_timeout, [&] { return flushes_done_ >= wanted || finished_; })) return true;
    add(counters_.flushes_timed_out, 1);
    return false;
}

bool PalWriter::finish() noexcept {
    std::unique_lock lock{mutex_};
    stopping_ = true;
    wake_.notify_one();
    const bool in_time = told_.wait_for(lock, options_.flush_timeout, [this] { return finished_; });
    if (!in_time) abandoned_.store(true, std::memory_order_relaxed);
    lock.unlock();
    if (in_time) {
        thread_.join();
    } else {
        add(counters_.flushes_timed_out, 1);
        thread_.detach();  // it keeps what it needs, and ends when the sink's call returns
    }
    return in_time;
}

void PalWriter::become_child() noexcept {
    stopping_ = true;
    abandoned_.store(true, std::memory_order_relaxed);
    // if it is the writer itself that forked, from a sink's call, it still stands in one of them
    if (!is_writer) lanes_.clear();
}

// ---- the thread ----

void PalWriter::run() noexcept {
    is_writer = true;
    std::unique_lock lock{mutex_};
    for (;;) {
        const std::uint64_t flushes = flushes_wanted_;
        const bool last = stopping_;
        const bool flushed = flushes != flushes_done_ || last;
        lock.unlock();
        const bool busy = pass(flushed);
        lock.lock();
        std::erase_if(lanes_, [](const std::unique_ptr<Lane>& lane) { return lane->done; });
        flushes_done_ = flushes;
        if (last) break;
        if (flushed) told_.notify_all();
        if (!busy) wake_.wait_for(lock, options_.poll, [&] { return stopping_ || flushes_wanted_ != flushes; });
    }
    lock.unlock();
    sink_.reset();
    lock.lock();
    finished_ = true;
    told_.notify_all();
}

/// Empties all rings once, up to where they were full when it came to them. Returns whether to come again at once.
bool PalWriter::pass(bool with_tails) noexcept {
    bool busy = false;
    std::size_t told = 0;
    for (std::size_t i = 0;; ++i) {
        Lane* lane = nullptr;
        {
            const std::lock_guard lock{mutex_};  // others add lanes
            if (i == lanes_.size()) break;
            lane = lanes_[i].get();
        }
        const std::size_t bytes = empty(*lane, with_tails);
        told += bytes;
        busy = busy || bytes > lane->ring->capacity() / 4;
    }
    if (told != 0 && !abandoned_.load(std::memory_order_relaxed) && !returns([this] { sink_->caught_up(); }))
        add(counters_.refused, 1);
    return busy;
}

std::size_t PalWriter::empty(Lane& lane, bool with_tail) noexcept {
    PalRing& ring = *lane.ring;
    const bool orphaned = ring.orphaned.load(std::memory_order_acquire);
    const PalRing::Dropped dropped = ring.dropped();
    const std::uint64_t head = ring.head();
    const std::uint64_t tail = ring.tail();
    if (!lane.begun && (head != 0 || dropped.up_to_seq != 0)) {
        lane.begun = true;
        lane.last_seq = ring.start_seq();
    }
    if (head != tail) anchor();
    while (ring.tail() != head) {
        const PalRing::Header& entry = ring.front();
        if (entry.id == PalRing::kPadding) {
            ring.pop();
            continue;
        }
        record_.pid = static_cast<std::uint32_t>(getpid());
        record_.ts_ns = time_of(lane, entry.ticks);
        decode_event(catalogue::info(static_cast<EventId>(entry.id)), PalRing::event_of(entry), record_);
        ring.pop();
        tell(lane);
    }
    add(counters_.lost_others, dropped.others - lane.others_dropped);
    lane.others_dropped = dropped.others;
    if (lane.begun && (with_tail || orphaned)) tell_gap(lane, dropped.up_to_seq);
    lane.done = orphaned;
    return static_cast<std::size_t>(head - tail);
}

/// Tells record_, and before it what is missing.
void PalWriter::tell(Lane& lane) noexcept {
    const bool transition = record_.info->is_transition();
    if (transition) {
        tell_gap(lane, record_.seq - 1);
        lane.last_seq = record_.seq;
    } else if (record_.info->id == EventId::WorkerStarted || record_.info->id == EventId::WorkerStopped ||
               record_.info->id == EventId::WorkerDumped) {
        tell_gap(lane, record_.seq);  // a position: all before it has fired
    }
    if (abandoned_.load(std::memory_order_relaxed)) {
        add(transition ? counters_.lost : counters_.lost_others, 1);
        return;
    }
    const bool taken = returns([this] { sink_->record(record_); });
    add(taken ? counters_.records : counters_.refused, 1);
    if (transition) add(taken ? counters_.transitions : counters_.refused_transitions, 1);
}

/// All after the last transition that was told, up to this one, is lost.
void PalWriter::tell_gap(Lane& lane, std::uint64_t up_to_seq) noexcept {
    if (up_to_seq <= lane.last_seq) return;
    pal::Gap gap;
    gap.ts_ns = lane.last_ts_ns;
    gap.worker = pal::WorkerId::from_event(lane.ring->worker());
    gap.from_seq = lane.last_seq + 1;
    gap.to_seq = up_to_seq;
    gap.lost = up_to_seq - lane.last_seq;
    lane.last_seq = up_to_seq;
    add(counters_.lost, gap.lost);
    if (abandoned_.load(std::memory_order_relaxed)) return;
    add(counters_.gaps, 1);
    if (!returns([&] { sink_->gap(gap); })) add(counters_.refused, 1);
}

/// Since 1970, never less than what the same worker had before: a corrected scale may take back some ns.
std::uint64_t PalWriter::time_of(Lane& lane, std::uint64_t ticks) const noexcept {
    std::uint64_t ns = ticks;
    switch (lane.ring->stamps()) {
        case PalRing::Stamps::tsc: {
            const Clock& clock = Clock::system();
            ns = ticks <= anchor_ticks_ ? anchor_ns_ - clock.to_ns(anchor_ticks_ - ticks)
                                        : anchor_ns_ + clock.to_ns(ticks - anchor_ticks_);
            break;
        }
        case PalRing::Stamps::monotonic_ns:
            ns += epoch_ns_;
            break;
        case PalRing::Stamps::virtual_ns:
            break;
    }
    lane.last_ts_ns = std::max(ns, lane.last_ts_ns);
    return lane.last_ts_ns;
}

void PalWriter::anchor() noexcept {
    const Clock& clock = Clock::system();
    anchor_ticks_ = clock.ticks();
    anchor_ns_ = clock.monotonic_ns() + epoch_ns_;
}

}  // namespace tiffany::detail
