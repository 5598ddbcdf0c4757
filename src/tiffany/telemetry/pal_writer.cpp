#include "pal_writer.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/detail/signals_blocked.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <utility>

#include "counter.hpp"
#include "kernel_time.hpp"

namespace tiffany::detail {
namespace {

constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours{24};
constexpr std::size_t kLeastLanes = 64;  // that are merged by time even where memory is short
constexpr std::uint64_t kNoHorizon = ~std::uint64_t{0};
constexpr std::size_t kBusyPercent = 25;      // of a ring: come again at once
constexpr std::size_t kFillingPercent = 12;   // nothing is held back
constexpr std::size_t kLittleBytes = 16'384;  // less than that is no load

thread_local constinit const std::mutex* writer_of = nullptr;  // the hub's

SinkOptions in_bounds(SinkOptions options) noexcept {
    options.poll = std::clamp(options.poll, std::chrono::milliseconds{1}, kLongestWait);
    options.flush_timeout = std::clamp(options.flush_timeout, std::chrono::milliseconds{0}, kLongestWait);
    return options;
}

/// Where a worker stands, if this event tells: all up to that seq has fired.
bool tells_position(EventId id, const std::byte* event, std::uint64_t& seq) noexcept {
    switch (id) {
        case EventId::WorkerStarted:
            seq = reinterpret_cast<const tiffany_worker_started*>(event)->seq;
            return true;
        case EventId::WorkerStopped:
            seq = reinterpret_cast<const tiffany_worker_stopped*>(event)->seq;
            return true;
        case EventId::WorkerDumped:
            seq = reinterpret_cast<const tiffany_dump_worker*>(event)->seq;
            return true;
        default:
            return false;
    }
}

std::uint64_t seq_of_transition(const std::byte* event) noexcept {
    return reinterpret_cast<const tiffany_task_done*>(event)->seq;  // transitions' structs begin alike
}

}  // namespace

PalWriter::PalWriter(std::mutex& mutex, PalCounters& counters, std::unique_ptr<PalOutlet> outlet,
                     const SinkOptions& options, const PalPace& pace)
    : mutex_{mutex},
      counters_{counters},
      options_{in_bounds(options)},
      pace_{pace},
      clock_{Clock::system()},
      epoch_ns_{time_of_day_offset_ns()},
      outlet_{std::move(outlet)} {
    taken_.reserve(kLeastLanes);
    heap_.reserve(kLeastLanes);
}

void PalWriter::start(const std::shared_ptr<PalWriter>& writer) {
    const AllSignalsBlocked blocked;
    writer->thread_ = std::thread{[writer] { writer->run(); }};
    pthread_setname_np(writer->thread_.native_handle(), "tiffany-pal");
}

bool PalWriter::here(const std::mutex& mutex) noexcept {
    return writer_of == &mutex;
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
    raise(counters_.flushes_timed_out, 1);
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
        raise(counters_.flushes_timed_out, 1);
        thread_.detach();  // it keeps what it needs, and ends when the outlet's call returns
    }
    return in_time;
}

void PalWriter::become_child() noexcept {
    stopping_ = true;
    abandoned_.store(true, std::memory_order_relaxed);
    outlet_->become_child();
    // if it is the writer itself that forked, from a sink's call, it still stands in one of them
    if (!here(mutex_)) lanes_.clear();
}

// ---- the thread ----

void PalWriter::run() noexcept {
    writer_of = &mutex_;
    std::unique_lock lock{mutex_};
    for (;;) {
        const std::uint64_t flushes = flushes_wanted_;
        const bool last = stopping_;
        const bool flushed = flushes != flushes_done_ || last;
        lock.unlock();
        const Found found = look(flushed);
        lock.lock();
        std::erase_if(lanes_, [](const std::unique_ptr<Lane>& lane) { return lane->done; });
        flushes_done_ = flushes;
        if (last) break;
        if (flushed) told_.notify_all();
        const std::chrono::milliseconds pause = pause_after(found);
        if (pause.count() != 0) wake_.wait_for(lock, pause, [&] { return stopping_ || flushes_wanted_ != flushes; });
    }
    lock.unlock();
    outlet_->end();
    lock.lock();
    finished_ = true;
    told_.notify_all();
}

std::chrono::milliseconds PalWriter::pause_after(const Found& found) const noexcept {
    if (found.fullest > kBusyPercent) return std::chrono::milliseconds{0};
    if (pace_.busy_poll.count() != 0 && found.bytes > kLittleBytes) return pace_.busy_poll;
    return options_.poll;
}

/// Empties all rings once, up to where they were full when it came to them.
PalWriter::Found PalWriter::look(bool flush) noexcept {
    Found found;
    // before the rings are looked at: what is not seen there is later than this
    anchor();
    std::size_t count = take_lanes(0);
    for (std::size_t from = 0; count != 0; from += count, count = take_lanes(from)) {
        std::size_t fullest = 0;
        for (Lane* lane : taken_) {
            begin_look(*lane);
            const PalRing& ring = *lane->ring;
            fullest = std::max(fullest, (lane->head - ring.tail()) * 100 / ring.capacity());
        }
        found.fullest = std::max(found.fullest, fullest);
        set_horizon(flush, fullest);
        heap_.clear();
        for (Lane* lane : taken_) {
            found.bytes += lane->head - lane->ring->tail();
            if (has_next(*lane)) heap_.push_back({lane->last_ts_ns, lane->ring->worker(), lane});
        }
        std::make_heap(heap_.begin(), heap_.end());
        merge();
        for (Lane* lane : taken_) {
            found.bytes -= lane->head - lane->ring->tail();
            found.gaps = end_look(*lane, flush) || found.gaps;
        }
    }
    if (!abandoned_.load(std::memory_order_relaxed) && !outlet_->looked(found.bytes != 0 || found.gaps, flush))
        raise(counters_.refused, 1);
    count_told();
    return found;
}

/// Takes the lanes from that one on: all that are there, or as many as memory allows.
std::size_t PalWriter::take_lanes(std::size_t from) noexcept {
    const std::lock_guard lock{mutex_};  // others add lanes
    if (from >= lanes_.size()) return 0;
    std::size_t count = lanes_.size() - from;
    try {
        taken_.reserve(count);
        heap_.reserve(count);
    } catch (...) {
        count = std::min({count, taken_.capacity(), heap_.capacity()});
    }
    taken_.clear();
    for (std::size_t i = from; i < from + count; ++i)
        taken_.push_back(lanes_[i].get());
    return count;
}

void PalWriter::begin_look(Lane& lane) noexcept {
    const PalRing& ring = *lane.ring;
    lane.orphaned = ring.orphaned.load(std::memory_order_acquire);
    lane.dropped = ring.dropped();
    lane.head = ring.head();
    lane.moved = false;
    if (lane.begun || (lane.head == 0 && lane.dropped.up_to_seq == 0)) return;
    lane.begun = true;
    lane.last_seq = ring.start_seq();
    outlet_->worker(pal::WorkerId::from_event(ring.worker()), lane.last_seq);
}

/// Several workers' events are told by time: what fired after this look began may be younger than what the rings that
/// were looked at first got meanwhile. A worker that is preempted between its stamp and its ring is waited for a bit.
void PalWriter::set_horizon(bool flush, std::size_t fullest) noexcept {
    const bool all = flush || pace_.hold.count() == 0 || taken_.size() == 1;
    const std::uint64_t hold_ns =
        fullest > kFillingPercent ? 0 : static_cast<std::uint64_t>(std::chrono::nanoseconds{pace_.hold}.count());
    for (Lane* lane : taken_)
        lane->horizon_ns =
            all || lane->ring->stamps() == PalRing::Stamps::virtual_ns ? kNoHorizon : anchor_ns_ - hold_ns;
}

void PalWriter::merge() noexcept {
    while (!heap_.empty()) {
        std::pop_heap(heap_.begin(), heap_.end());
        Cursor next = heap_.back();
        heap_.pop_back();
        bool more = true;
        do {  // as long as no other lane has something older
            tell(*next.lane);
            more = has_next(*next.lane);
            next.ts_ns = next.lane->last_ts_ns;
        } while (more && (heap_.empty() || heap_.front() < next));
        if (!more) continue;
        heap_.push_back(next);
        std::push_heap(heap_.begin(), heap_.end());
    }
}

/// Whether the lane has an entry to tell in this look; then last_ts_ns is its time.
bool PalWriter::has_next(Lane& lane) noexcept {
    PalRing& ring = *lane.ring;
    while (ring.tail() != lane.head) {
        const PalRing::Header& entry = ring.front();
        if (entry.id != PalRing::kPadding) {
            // never less than what the same worker had before: a corrected scale may take back some ns
            const std::uint64_t ts_ns = std::max(time_of(lane, entry.ticks), lane.last_ts_ns);
            if (ts_ns > lane.horizon_ns) return false;
            lane.last_ts_ns = ts_ns;
            return true;
        }
        ring.pop();
    }
    return false;
}

/// Returns whether it told a gap.
bool PalWriter::end_look(Lane& lane, bool flush) noexcept {
    // since the last look no transition came, and none was dropped: else the next one tells the gap, whole
    const bool quiet = !lane.moved && lane.dropped.up_to_seq == lane.dropped_before;
    lane.dropped_before = lane.dropped.up_to_seq;
    if (lane.ring->tail() != lane.head) return false;  // the rest comes first
    if (const std::uint64_t lost = lane.dropped.others - lane.others_dropped; lost != 0) {
        raise(counters_.lost_others, lost);
        outlet_->lost_others(lost);
        lane.others_dropped = lane.dropped.others;
    }
    lane.done = lane.orphaned;
    return lane.begun && (flush || quiet || lane.orphaned) && tell_gap(lane, lane.dropped.up_to_seq);
}

/// Tells the lane's next entry, and before it what is missing.
void PalWriter::tell(Lane& lane) noexcept {
    PalRing& ring = *lane.ring;
    const PalRing::Header& entry = ring.front();
    const PalEvent event{static_cast<EventId>(entry.id), lane.last_ts_ns, PalRing::event_of(entry)};
    const bool transition = entry.id < kTransitions;
    std::uint64_t position = 0;
    if (transition) {
        const std::uint64_t seq = seq_of_transition(event.payload);
        tell_gap(lane, seq - 1);
        lane.last_seq = seq;
        lane.moved = true;
    } else if (tells_position(event.id, event.payload, position)) {
        tell_gap(lane, position);
    }
    if (abandoned_.load(std::memory_order_relaxed)) {
        ring.pop();
        raise(transition ? counters_.lost : counters_.lost_others, 1);
        return;
    }
    const bool taken = outlet_->event(event);
    ring.pop();
    ++(taken ? told_now_.taken : told_now_.refused);
    if (transition) ++(taken ? told_now_.taken_transitions : told_now_.refused_transitions);
}

void PalWriter::count_told() noexcept {
    raise(counters_.records, told_now_.taken);
    raise(counters_.refused, told_now_.refused);
    raise(counters_.transitions, told_now_.taken_transitions);
    raise(counters_.refused_transitions, told_now_.refused_transitions);
    told_now_ = {};
}

/// All after the last transition that was told, up to this one, is lost. Returns whether there is such.
bool PalWriter::tell_gap(Lane& lane, std::uint64_t up_to_seq) noexcept {
    if (up_to_seq <= lane.last_seq) return false;
    pal::Gap gap;
    gap.ts_ns = lane.last_ts_ns;
    gap.worker = pal::WorkerId::from_event(lane.ring->worker());
    gap.from_seq = lane.last_seq + 1;
    gap.to_seq = up_to_seq;
    gap.lost = up_to_seq - lane.last_seq;
    lane.last_seq = up_to_seq;
    raise(counters_.lost, gap.lost);
    if (abandoned_.load(std::memory_order_relaxed)) return true;
    raise(counters_.gaps, 1);
    if (!outlet_->gap(gap)) raise(counters_.refused, 1);
    return true;
}

/// Since 1970.
std::uint64_t PalWriter::time_of(const Lane& lane, std::uint64_t ticks) const noexcept {
    switch (lane.ring->stamps()) {
        case PalRing::Stamps::tsc:
            return ticks <= anchor_ticks_ ? anchor_ns_ - clock_.to_ns(anchor_ticks_ - ticks)
                                          : anchor_ns_ + clock_.to_ns(ticks - anchor_ticks_);
        case PalRing::Stamps::monotonic_ns:
            return ticks + epoch_ns_;
        case PalRing::Stamps::virtual_ns:
            break;
    }
    return ticks;
}

void PalWriter::anchor() noexcept {
    anchor_ticks_ = clock_.ticks();
    anchor_ns_ = clock_.monotonic_ns() + epoch_ns_;
}

}  // namespace tiffany::detail
