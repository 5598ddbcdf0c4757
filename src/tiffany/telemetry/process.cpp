#include "process.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/tracepoints/unseen.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#include "inherited.hpp"
#include "kernel_time.hpp"
#include "look_pace.hpp"
#include "lttng_module.hpp"
#include "scheduler_core.hpp"

namespace tiffany::detail {
namespace {

constexpr std::uint64_t kStillNs = 100'000'000;  // a tracer attaches probe by probe: wait until it is done
constexpr std::uint64_t kCorrectEveryNs = 1'000'000'000;
constexpr std::uint32_t kMaxWorkers = 65'536;
constexpr std::uint64_t kInstanceMask = (std::uint64_t{1} << 48) - 1;

std::uint64_t draw_instance() noexcept {
    const Unseen unseen;  // getrandom is a cancellation point
    std::uint64_t bits = 0;
    while ((bits & kInstanceMask) == 0) {
        // before the kernel's pool is ready getrandom fails at once; a clock and a pid are then all there is
        if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof bits)) continue;
        bits = (kernel_ns(CLOCK_REALTIME) * 0x9e3779b97f4a7c15u) ^ (static_cast<std::uint64_t>(getpid()) << 32);
    }
    return bits & kInstanceMask;
}

}  // namespace

Process& Process::get() noexcept {
    // never destroyed: threads may still give their workers back while the program's statics go
    static Process& process = *new Process;
    return process;
}

Process::Process() noexcept {
    instance_.store(draw_instance(), std::memory_order_relaxed);
    pid_.store(static_cast<std::uint32_t>(getpid()), std::memory_order_relaxed);
    semaphore_.value.store(usdt_semaphore(), std::memory_order_relaxed);
    tick_semaphore_.value.store(usdt_tick_semaphore(), std::memory_order_relaxed);
    pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
}

std::optional<Process::Index> Process::take_index() {
    const std::lock_guard lock{indices_mutex_};
    if (!free_indices_.empty()) {
        const Index index = free_indices_.back();
        free_indices_.pop_back();
        return index;
    }
    if (next_index_ == kMaxWorkers) return std::nullopt;
    free_indices_.reserve(next_index_ + 1);  // so that giving it back cannot fail
    return Index{static_cast<std::uint16_t>(next_index_++), 0};
}

std::uint32_t Process::indices_in_use() noexcept {
    const std::lock_guard lock{indices_mutex_};
    return next_index_ - static_cast<std::uint32_t>(free_indices_.size());
}

void Process::give_index(Index index) noexcept {
    const std::lock_guard lock{indices_mutex_};
    free_indices_.push_back(index);
}

void Process::load_lttng() noexcept {
    std::call_once(loaded_, [this] {
        const LttngModule module = load_lttng_module();
        lttng_may_block_ = module.may_block;
        if (module.table != nullptr) {
            probes_hash_.store(module.table->probes_hash(), std::memory_order_relaxed);
            module.table->call_on_statedump([]() noexcept { get().on_statedump(); });
        }
        lttng_.store(module.table, std::memory_order_release);
        status_.store(module.status, std::memory_order_release);
    });
}

void Process::on_statedump() noexcept {
    // this dump is for what is enabled now: the next look need not find it again. Who found it off before sees the
    // bump.
    lttng_found_off_.store(0, std::memory_order_relaxed);
    if (const LttngTable* table = lttng()) probes_hash_.store(table->probes_hash(), std::memory_order_relaxed);
    lttng_sessions_.fetch_add(1, std::memory_order_relaxed);
    bump();
}

std::uint64_t Process::look(Clock& clock) noexcept {
    const std::uint64_t now_ns = coarse_kernel_ns();
    std::uint64_t due_ns = next_look_ns_.load(std::memory_order_relaxed);
    if (now_ns < due_ns) return now_ns;
    // one worker looks; acquire and release hand it what the last one saw
    if (!next_look_ns_.compare_exchange_strong(due_ns, now_ns + kLookEveryNs, std::memory_order_acq_rel)) return now_ns;
    const bool lttng = look_at_lttng();
    const bool transitions = semaphore_.look(usdt_semaphore(), now_ns);
    const bool ticks = tick_semaphore_.look(usdt_tick_semaphore(), now_ns);
    if (lttng || transitions || ticks) bump();
    if (now_ns >= next_correction_ns_.load(std::memory_order_relaxed)) {
        next_correction_ns_.store(now_ns + kCorrectEveryNs, std::memory_order_relaxed);
        clock.correct();
    }
    return now_ns;
}

// What is switched off and on again between two looks may hash as before: malloc hands out the same lists. Then a
// worker that ticked in between has found it off and calls LTTng no more. One that did not has missed nothing.
bool Process::look_at_lttng() noexcept {
    const LttngTable* table = lttng();
    if (table == nullptr) return false;
    const std::uint64_t hash = table->probes_hash();
    const bool moved = probes_hash_.exchange(hash, std::memory_order_relaxed) != hash;
    const std::uint32_t on = (table->any_enabled() ? kLttng : 0) | (table->any_tick_enabled() ? kTickLttng : 0);
    if (on == 0) return false;  // nobody listens any more: workers see that themselves, without a dump
    const bool again = (lttng_found_off_.fetch_and(~on, std::memory_order_relaxed) & on) != 0;
    return moved || again;
}

AttachedTracers Process::attached() const noexcept {
    const LttngTable* table = lttng();
    return {table != nullptr && (table->any_enabled() || table->any_tick_enabled()),
            usdt_semaphore() != 0 || usdt_tick_semaphore() != 0};
}

void Process::found_off(std::uint32_t bits) noexcept {
    // relaxed: a look that misses it is followed by another
    if (const std::uint32_t lttng = bits & (kLttng | kTickLttng); lttng != 0)
        lttng_found_off_.fetch_or(lttng, std::memory_order_relaxed);
    if ((bits & kUsdt) != 0) semaphore_.value.store(0, std::memory_order_relaxed);
    if ((bits & kTickUsdt) != 0) tick_semaphore_.value.store(0, std::memory_order_relaxed);
}

bool Process::Semaphore::look(std::uint16_t now, std::uint64_t now_ns) noexcept {
    const std::uint16_t before = value.exchange(now, std::memory_order_relaxed);
    if (now != before) {
        moved_ns.store(now_ns, std::memory_order_relaxed);
        if (now > before) rose.store(true, std::memory_order_relaxed);
        return false;
    }
    if (!rose.load(std::memory_order_relaxed)) return false;
    if (now_ns - moved_ns.load(std::memory_order_relaxed) < kStillNs) return false;
    rose.store(false, std::memory_order_relaxed);
    return true;
}

void Process::add(SchedulerCore& core) {
    const std::lock_guard lock{cores_mutex_};
    cores_.push_back(&core);
}

void Process::remove(SchedulerCore& core) noexcept {
    const std::lock_guard lock{cores_mutex_};
    // from the back: the youngest goes first, as a rule
    const auto found = std::find(cores_.rbegin(), cores_.rend(), &core);
    if (found != cores_.rend()) cores_.erase(std::next(found).base());
}

bool Process::is_dumping() noexcept {
    bool dumping = false;
    for_each_core([&](const SchedulerCore& core) { dumping = dumping || core.dump_turn.is_going_on(); });
    return dumping;
}

// ---- fork ----

// All locks are held across the fork, so that the child finds whole lists behind locks that nobody holds.
// LTTng's come first: it may wait for long, for a daemon or for an event, and only the thread that forks is to wait for
// that. Nobody else waits for LTTng's with one of ours.
void Process::lock_all() noexcept {
    const LttngTable* const table = lttng();
    if (table != nullptr) table->before_fork();
    log_.lock();
    cores_mutex_.lock();
    workers_mutex_.lock();
    indices_mutex_.lock();
    for (PalHub& hub : pal_)
        hub.lock();
    forking_ = table;
}

void Process::unlock_all() noexcept {
    for (PalHub& hub : pal_)
        hub.unlock();
    indices_mutex_.unlock();
    workers_mutex_.unlock();
    cores_mutex_.unlock();
    log_.unlock();
}

void Process::become_child() noexcept {
    const std::uint64_t instance = draw_instance();
    instance_.store(instance, std::memory_order_relaxed);
    pid_.store(static_cast<std::uint32_t>(getpid()), std::memory_order_relaxed);
    for (Index& index : free_indices_)
        index.seq = 0;
    refused_.store(0, std::memory_order_relaxed);
    ended_schedulers_.clear();
    run_delay_known_.store(false, std::memory_order_relaxed);
    first_own_tid_.store(next_tid_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    if (forks_ <= kMostForks) ++forks_;
    for (SchedulerCore* core : cores_)
        core->become_child(instance, forks_ <= kMostForks ? forks_ : 0);
    lttng_calls_.become_child();
    dead_consumer_.is_alive();  // as far as the child knows
    log_.become_child();
    for (PalHub& hub : pal_)
        hub.become_child();
    bump();
}

void Process::before_fork() noexcept {
    get().lock_all();
}
void Process::after_fork_in_parent() noexcept {
    const LttngTable* const table = get().forking_;  // the next fork writes it
    get().unlock_all();
    if (table != nullptr) table->after_fork_in_parent();
}
void Process::after_fork_in_child() noexcept {
    const Unseen unseen;
    const LttngTable* const table = get().forking_;
    get().become_child();
    get().unlock_all();
    if (table != nullptr) table->after_fork_in_child();
}

}  // namespace tiffany::detail
