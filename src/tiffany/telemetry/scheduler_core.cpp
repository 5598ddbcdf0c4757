#include "scheduler_core.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <utility>

#include "kernel_time.hpp"
#include "pal_ring.hpp"
#include "text.hpp"

namespace tiffany::detail {
namespace {

// The name as the events carry it: the traces and the metrics call the scheduler the same.
std::string told(std::string_view name) {
    char text[sizeof(tiffany_worker_started::scheduler)];
    copy_text(text, name);
    return text;
}

}  // namespace

void SchedulerCore::WorkerDeleter::operator()(Worker* worker) const noexcept {
    delete worker;
}

SchedulerCore::SchedulerCore(std::string_view scheduler_name, Clock& its_clock, bool with_metrics,
                             const MetricsBuckets& buckets)
    : name{told(scheduler_name)},
      clock{its_clock},
      metrics{with_metrics},
      run_bounds{buckets.run_ns},
      wait_bounds{buckets.wait_ns},
      ready_bounds{buckets.ready_ns},
      process{Process::get()},
      refused{new Worker{*this}} {
    refused->on_ = kRefused;
    process.add(*this);
}

SchedulerCore::~SchedulerCore() {
    process.remove(*this);
}

Worker& SchedulerCore::take(bool has_loop) {
    process.start_log();  // in a forked child: it locks, too
    keep_watching();      // likewise
    // before our lock: a fork holds LTTng's locks first and then wants ours
    if (const LttngTable* lttng = process.lttng()) lttng->prepare_thread();
    const std::optional<std::uint64_t> delay_ns = read_delay(static_cast<std::uint32_t>(gettid()));
    const Begun begun = hold_one(has_loop, delay_ns);
    if (&begun.worker == refused.get()) return begun.worker;
    // without the lock: LTTng may let its thread wait, and others are not to wait for that
    begun.worker.tell_started(has_loop, begun.at);
    if (end_telling(begun)) return begun.worker;
    leave_closed(begun.worker);
    return *refused;
}

SchedulerCore::Begun SchedulerCore::hold_one(bool has_loop, std::optional<std::uint64_t> delay_ns) {
    const std::lock_guard lock{mutex()};
    if (closed.load(std::memory_order_relaxed)) return {*refused, {}};  // while this thread was on its way
    held_.reserve(all_.size() + 1);                                     // so that nothing below can fail half way
    free_.reserve(all_.size() + 1);
    if (free_.empty()) {
        all_.reserve(all_.size() + 1);
        Owned made{new Worker{*this}};
        const std::uint16_t groups = group_count_.load(std::memory_order_relaxed);
        for (std::uint16_t i = 0; metrics && i < groups; ++i)
            made->shard_.add_group(i);
        const std::optional<Process::Index> index = process.take_index();
        if (!index) return {*refused, {}};
        made->draft_.worker.store((process.instance() << 16) | index->index, std::memory_order_relaxed);
        made->draft_.seq.store(index->seq, std::memory_order_relaxed);
        made->first_seq_ = index->seq;
        free_.push_back(made.get());
        all_.push_back(std::move(made));
    }
    Worker& worker = *free_.back();
    free_.pop_back();
    offer_ring(worker, false);
    const Stamp at = worker.start(has_loop);
    held_.push_back({&worker, pthread_self(), delay_ns, has_loop, process.take_hold(), false, true});
    worker.run_delay_known_ = worker.run_delay_known_ || delay_ns.has_value();
    return {worker, at};
}

void SchedulerCore::give_back(Worker& worker) noexcept {
    if (&worker == refused.get()) return;
    const std::optional<std::uint64_t> delay_ns = read_delay(worker.shard_.thread.load(std::memory_order_relaxed));
    const Stamp stopped = begin_to_leave(worker, delay_ns);
    if (!stopped.known()) return leave_closed(worker);
    worker.tell_stopped(stopped);  // without the lock, as tell_started()
    std::unique_lock lock{mutex()};
    if (closed.load(std::memory_order_relaxed)) {  // meanwhile: it left this worker to us
        lock.unlock();
        give_up(worker);
        return;
    }
    std::erase_if(held_, [&](const Held& held) { return held.worker == &worker; });
    free_.push_back(&worker);
    if ((worker.on_ & kDumping) != 0 && worker.lists_) {
        // it had not gone over all live tasks: another one begins anew
        if (std::any_of(held_.begin(), held_.end(), [](const Held& other) { return other.has_loop && !other.leaves; }))
            process.bump();
        else
            dump_turn.abandon(worker.generation_);
    }
    while (free_.size() > kMostFree && fold_one()) {
    }
}

Worker* SchedulerCore::held_here() noexcept {
    const std::lock_guard lock{mutex()};
    for (const Held& held : held_)
        if (pthread_equal(held.thread, pthread_self()) != 0) return held.worker;
    return nullptr;
}

/// Of the workers that can go the one that was given back first does; its numbers stay, and its index is another's,
/// with `seq` going on. Returns whether there was one.
bool SchedulerCore::fold_one() noexcept {
    // what its rings still hold would be told after what the index's next worker fires
    const auto found = std::find_if(free_.begin(), free_.end(), [](const Worker* worker) {
        return std::all_of(worker->rings_.begin(), worker->rings_.end(),
                           [](const auto& ring) { return ring->retired_at.load() != 0 || ring->is_told(); });
    });
    if (found == free_.end()) return false;
    Worker& worker = **found;
    if (metrics) {
        try {
            if (ended_ == nullptr) ended_ = std::make_unique<EndedWorkers>();
            const std::uint16_t groups = group_count_.load(std::memory_order_relaxed);
            for (std::uint16_t i = 0; i < groups; ++i)
                ended_->shard.add_group(i);
        } catch (...) {
            return false;  // no memory: it is kept
        }
        ended_->take(worker.shard_);
        ended_->busy_ns += std::max(worker.busy_told_ns_, worker.busy_ns());
        ended_->run_delay_ns += worker.run_delay_told_ns_;
        ended_->lttng_left_out += worker.lttng_left_out();
    }
    ended_transitions_ += worker.transitions();
    retire(worker);
    free_.erase(found);
    all_.erase(std::find_if(all_.begin(), all_.end(), [&](const Owned& one) { return one.get() == &worker; }));
    return true;
}

void SchedulerCore::retire(const Worker& worker) noexcept {
    for (const auto& ring : worker.rings_)
        ring->orphaned.store(true, std::memory_order_release);  // what was pushed is seen by whoever sees this
    process.give_index({static_cast<std::uint16_t>(worker.id() & 0xffff), worker.seq()});
}

void SchedulerCore::give_loop(Worker& worker) noexcept {
    const std::lock_guard lock{mutex()};
    for (Held& held : held_) {
        if (held.worker != &worker) continue;
        held.has_loop = true;
        worker.get_loop();
    }
}

void SchedulerCore::become_child(std::uint64_t instance, std::uint8_t fork) noexcept {
    const bool has_list = task_list.load(std::memory_order_relaxed) != nullptr;
    inherits.store(metrics && has_list ? fork : std::uint8_t{0}, std::memory_order_relaxed);
    inherited_listed.store(false, std::memory_order_relaxed);
    dump_tellers.become_child();
    // of the parent's threads only the one that forked is here; the others' workers are free again
    std::erase_if(held_, [this](const Held& held) {
        if (pthread_equal(held.thread, pthread_self()) != 0) return false;
        free_.push_back(held.worker);
        return true;
    });
    // closed: their indices are in use for ever, as no thread is there that could give them back
    std::erase_if(left_, [](const Held& left) { return pthread_equal(left.thread, pthread_self()) == 0; });
    for (Held& left : left_)
        left.stopped = 0;  // the child's seq: it tells nothing of one that does nothing here
    StallWatch::leave_behind(stall_watch_);
    stall_watch_ = nullptr;  // the next that comes here starts another
    for (Held& held : held_)
        held.run_delay_ns = 0;  // the kernel counts the child's threads from 0
    if (ended_ != nullptr) ended_->clear();
    ended_transitions_ = 0;
    ready_age_.clear();
    for (const Owned& worker : all_) {
        const bool is_held =
            std::any_of(held_.begin(), held_.end(), [&](const Held& held) { return held.worker == worker.get(); });
        worker->become_child(instance, is_held);
    }
}

// ---- runs that do not end ----

void SchedulerCore::watch(std::uint64_t bound_ns) {
    std::shared_ptr<StallWatch> ended;  // without the lock: its thread may want it
    bool is_news = false;
    {
        const std::lock_guard lock{mutex()};
        if (bound_ns == 0) {
            ended = std::move(stall_watch_);
        } else if (stall_watch_ == nullptr) {
            stall_watch_ = StallWatch::begin(*this);
        }
        const std::uint64_t before = stall_bound_ns.exchange(bound_ns, std::memory_order_relaxed);
        if (stall_watch_ != nullptr) stall_watch_->change_pace();
        is_news = (before == 0) != (bound_ns == 0) && !held_.empty();
    }
    if (is_news) process.bump();
    end(ended, kernel_ns() + kMostWaitNs);
}

void SchedulerCore::keep_watching() noexcept {
    if (stall_bound_ns.load(std::memory_order_relaxed) == 0) return;
    try {
        const std::lock_guard lock{mutex()};
        if (stall_bound_ns.load(std::memory_order_relaxed) == 0 || stall_watch_ != nullptr) return;
        stall_watch_ = StallWatch::begin(*this);
    } catch (...) {  // no memory, or no thread to be had: the next worker that is taken tries again
    }
}

void SchedulerCore::set_stall_told(const Stall& stall) noexcept {
    const std::lock_guard lock{mutex()};
    for (const Held& held : held_)
        if (held.worker == stall.worker) held.worker->stall_told_ = stall.since;
}

bool SchedulerCore::tell_stall(Worker& by, const Stall& stall) noexcept {
    const Stamp at = begin_to_tell(by);
    if (!at.known()) return false;
    const bool is_heard = by.tell_stall(stall, at);  // without the lock, as tell_started()
    return end_telling({by, at}) && is_heard;
}

std::optional<Stall> SchedulerCore::find_stall(const StallWatch& by) noexcept {
    const std::lock_guard lock{mutex()};
    if (stall_watch_.get() != &by) return std::nullopt;  // it is to end
    const std::uint64_t bound_ns = stall_bound_ns.load(std::memory_order_relaxed);
    Stall stall;
    for (const Held& held : held_)
        if (held.worker->is_stalled(bound_ns, stall)) return stall;
    return std::nullopt;
}

// ---- the sink ----

void SchedulerCore::offer_rings() noexcept {
    const std::lock_guard lock{mutex()};
    for (const Held& held : held_)
        offer_ring(*held.worker, true);
}

void SchedulerCore::catch_up(Worker& by) noexcept {
    const Stamp at = begin_to_tell(by);
    if (!at.known()) return;
    if (by.generation_ != process.generation()) by.catch_up(by.seq(), true, at);  // without the lock, as tell_started()
    end_telling({by, at});
}

void SchedulerCore::offer_ring(Worker& worker, bool held) noexcept {
    // a worker that runs frees nothing itself: what it has let go of goes here
    std::erase_if(worker.rings_, [&](const std::shared_ptr<PalRing>& ring) {
        const std::uint32_t retired_at = ring->retired_at.load(std::memory_order_acquire);
        if (retired_at == 0) return false;
        const std::uint32_t made_for = worker.made_for_.load(std::memory_order_acquire);
        if (held && static_cast<std::int32_t>(made_for - retired_at) < 0) return false;
        if (!held) std::replace(worker.ring_.begin(), worker.ring_.end(), ring.get(), static_cast<PalRing*>(nullptr));
        return true;
    });
    for (std::size_t exit = 0; exit < kPalExits; ++exit) {
        const PalRing* offered = worker.offered_ring_[exit].load(std::memory_order_relaxed);
        PalHub& hub = process.pal(static_cast<PalExit>(exit));
        const std::shared_ptr<PalRing> ring = hub.make_ring(clock, offered, worker.rings_);
        // release: the worker sees the ring as it was made
        if (ring != nullptr) worker.offered_ring_[exit].store(ring.get(), std::memory_order_release);
    }
}

void SchedulerCore::withdraw_rings(const void* owner) noexcept {
    const std::lock_guard lock{mutex()};
    for (const Owned& worker : all_)
        for (std::atomic<PalRing*>& ring : worker->offered_ring_) {
            const PalRing* offered = ring.load(std::memory_order_relaxed);
            if (offered != nullptr && offered->owner() == owner) ring.store(nullptr, std::memory_order_relaxed);
        }
}

std::uint16_t SchedulerCore::group(std::string_view group_name, Worker& by) {
    std::array<char, kGroupBytes> wanted;
    if (copy_text(wanted.data(), wanted.size(), group_name) == 0) return 0;  // the default group has this name already
    bool is_told = false;
    const std::uint16_t number = find_group(wanted, is_told);
    if (number == 0 || is_told) return number;
    tell_group(by, number, groups_[number].data(), {});  // without the lock, as tell_started()
    if (&by == refused.get()) return number;             // which fires nothing: who asks next tells of it
    const std::lock_guard lock{mutex()};
    told_once_.set(number);
    return number;
}

/// Makes it if there is none; 0 if there are too many.
/// @param is_told  whether it was told of: else who asks does, since its tasks may be told next
std::uint16_t SchedulerCore::find_group(const std::array<char, kGroupBytes>& wanted, bool& is_told) {
    const std::lock_guard lock{mutex()};
    const std::uint16_t count = group_count_.load(std::memory_order_relaxed);
    for (std::uint16_t i = 1; i < count; ++i) {
        if (std::string_view{groups_[i].data()} != wanted.data()) continue;
        is_told = told_once_.test(i);
        return i;
    }
    if (count == kMaxGroups) return 0;
    // before anybody can know the number: a hook finds the place for its times, and allocates nothing
    if (metrics)
        for (const Owned& worker : all_)
            worker->shard_.add_group(count);
    if (ended_ != nullptr) ended_->shard.add_group(count);
    groups_[count] = wanted;
    group_count_.store(static_cast<std::uint16_t>(count + 1), std::memory_order_release);
    return count;
}

void SchedulerCore::tell_group(Worker& by, std::uint16_t number, const char* group_name, Stamp at) noexcept {
    by.tell_group(number, group_name, at);
}

void SchedulerCore::tell_groups(Worker& by, std::uint32_t generation, Stamp at) noexcept {
    // acquire: they are told. Who comes while another worker tells them does so, too: its tasks are told after them.
    if (groups_told_.load(std::memory_order_acquire) == generation) return;
    const std::uint16_t count = group_count_.load(std::memory_order_acquire);
    for (std::uint16_t i = 1; i < count; ++i)
        tell_group(by, i, groups_[i].data(), at);
    groups_told_.store(generation, std::memory_order_release);
}

std::uint64_t SchedulerCore::count(TaskEvent event) const {
    const std::lock_guard lock{mutex()};
    return sum(event);
}

std::uint64_t SchedulerCore::sum(TaskEvent event) const noexcept {
    std::uint64_t total = 0;
    for (const Owned& worker : all_)
        total += worker->count(event);
    if (ended_ == nullptr) return total;
    ended_->shard.for_each_move(
        [&](std::size_t, Move move, std::uint64_t times) { total += task_event(move) == event ? times : 0; });
    return total;
}

std::uint64_t SchedulerCore::transitions() const {
    const std::lock_guard lock{mutex()};
    std::uint64_t total = ended_transitions_;
    for (const Owned& worker : all_)
        total += worker->transitions();
    return total;
}

std::size_t SchedulerCore::held_workers() const {
    const std::lock_guard lock{mutex()};
    return held_.size();
}

}  // namespace tiffany::detail
