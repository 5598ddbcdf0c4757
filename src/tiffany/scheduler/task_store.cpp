#include "task_store.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <new>
#include <thread>
#include <utility>

namespace tiffany::detail {

/// Lies at the begin of its memory, which is aligned as its size: so a task finds its store.
struct TaskStore::Slab {
    static constexpr std::size_t kWords = (kSlabBytes / sizeof(Slot) + 63) / 64;

    TaskStore* store;
    std::size_t number;                          // in the store
    std::array<std::uint64_t, kWords> listed{};  // a bit for each slot: its task is found by its number

    static constexpr std::size_t slots_at() { return (sizeof(Slab) + sizeof(Slot) - 1) / sizeof(Slot); }
    static constexpr std::size_t slot_count() { return kSlabBytes / sizeof(Slot) - slots_at(); }
    Slot* slots() noexcept {
        return reinterpret_cast<Slot*>(reinterpret_cast<std::byte*>(this) + slots_at() * sizeof(Slot));
    }
    static Slab& of(const TaskCore& task) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(&task);
        return *reinterpret_cast<Slab*>(address & ~(std::uintptr_t{kSlabBytes} - 1));
    }
};

/// Block b has 2^b slabs.
TaskStore::Slab& TaskStore::slab(std::size_t number) const noexcept {
    const auto block = static_cast<std::size_t>(std::bit_width(number + 1)) - 1;
    const std::size_t first = (std::size_t{1} << block) - 1;
    return *reinterpret_cast<Slab*>(blocks_[block].begin() + (number - first) * kSlabBytes);
}

TaskStore& TaskStore::of(const TaskCore& task) noexcept {
    return *Slab::of(task).store;
}

std::uint32_t TaskStore::place_of(const TaskCore& task) noexcept {
    Slab& slab = Slab::of(task);
    const auto slot = static_cast<std::size_t>(reinterpret_cast<const Slot*>(&task) - slab.slots());
    return static_cast<std::uint32_t>(slab.number * Slab::slot_count() + slot + 1);
}

TaskCore& TaskStore::at(std::uint32_t place) const noexcept {
    return slab((place - 1) / Slab::slot_count()).slots()[(place - 1) % Slab::slot_count()].task;
}

TaskStore::~TaskStore() = default;

void TaskStore::drop() noexcept {
    {
        const std::lock_guard lock{mutex_};
        dropped_ = true;
        if (tasks_ != 0) return;
    }
    delete this;
}

void TaskStore::add_slab() {
    const std::uint64_t places = (slabs_ + 1) * Slab::slot_count() + 1;  // with 0, which is nobody's
    if (places > std::numeric_limits<std::uint32_t>::max()) throw std::bad_alloc{};
    timers_.grow_to(places);
    if (std::has_single_bit(slabs_ + 1))  // the blocks are full
        blocks_[static_cast<std::size_t>(std::countr_zero(slabs_ + 1))] =
            MappedMemory{(slabs_ + 1) * kSlabBytes, kSlabBytes};
    auto* const added = new (&slab(slabs_)) Slab{this, slabs_};
    ++slabs_;
    for (std::size_t i = Slab::slot_count(); i-- > 0;) {
        auto* const slot = new (added->slots() + i) Slot;
        slot->next_free = std::exchange(free_, slot);
        timers_[place_of(slot->task)] = {};  // here its page is made, not when a task falls asleep
    }
}

TaskCore& TaskStore::make_task() {
    const std::lock_guard lock{mutex_};
    if (free_ == nullptr) add_slab();
    if (spare_pages_.size() <= not_entered_) {
        Pages one;
        one.try_emplace(0);
        spare_pages_.push_back(one.extract(one.begin()));
        pages_.reserve(pages_.size() + spare_pages_.size());
    }
    ++not_entered_;
    ++tasks_;
    Slot* const slot = std::exchange(free_, free_->next_free);
    return *new (&slot->task) TaskCore;
}

void TaskStore::enter(TaskCore& task) noexcept {
    const std::uint64_t tid = task.life.tid();
    const std::lock_guard lock{mutex_};
    --not_entered_;
    auto found = pages_.find(tid / kTidsPerPage);
    if (found == pages_.end()) {
        Pages::node_type node = std::move(spare_pages_.back());
        spare_pages_.pop_back();
        node.key() = tid / kTidsPerPage;
        found = pages_.insert(std::move(node)).position;
    }
    found->second.places[tid % kTidsPerPage] = place_of(task);
    found->second.entered[tid % kTidsPerPage] = entered_++;
    ++found->second.used;
    mark(task, true);
}

void TaskStore::destroy(TaskCore& task) noexcept {
    const std::uint64_t tid = task.life.tid();
    task.drop_extras();  // handles in it come here, too
    bool last = false;
    {
        const std::lock_guard lock{mutex_};
        if (tid == 0) {
            --not_entered_;
        } else {
            mark(task, false);
            const auto found = pages_.find(tid / kTidsPerPage);
            found->second.places[tid % kTidsPerPage] = 0;
            if (--found->second.used == 0) {
                Pages::node_type node = pages_.extract(found);
                if (spare_pages_.size() < spare_pages_.capacity()) spare_pages_.push_back(std::move(node));
            }
        }
        task.~TaskCore();
        Slot* const slot = new (&task) Slot;
        slot->next_free = std::exchange(free_, slot);
        --tasks_;
        last = dropped_ && tasks_ == 0;
    }
    if (last) delete this;
}

void TaskStore::give_up(TaskCore& task, std::uint32_t holds) noexcept {
    // release: what this holder did is seen by the one who destroys it; acquire: it is that one
    if (task.holds.fetch_sub(holds, std::memory_order_acq_rel) == holds) of(task).destroy(task);
}

void TaskStore::mark(TaskCore& task, bool listed) noexcept {
    Slab& slab = Slab::of(task);
    const auto slot = static_cast<std::size_t>(reinterpret_cast<Slot*>(&task) - slab.slots());
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    std::uint64_t& word = slab.listed[slot / 64];
    word = listed ? word | bit : word & ~bit;
}

std::uint64_t TaskStore::list(std::uint64_t cursor, TaskTaker& taker) noexcept {
    // not waited for: the loop has other things to do, and in a forked child it may be locked for ever
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock) return cursor;
    // A place is a slot's number; each slab has kWords * 64 of them.
    constexpr unsigned kMostWords = 64;  // in one call: many of them may have no task
    for (unsigned words = 0; words < kMostWords; ++words) {
        const std::uint64_t word = cursor / 64;
        if (word / Slab::kWords >= slabs_) return kEnd;
        Slab& slab = this->slab(word / Slab::kWords);
        const std::uint64_t first = word % Slab::kWords * 64;
        std::uint64_t left = slab.listed[word % Slab::kWords] & (~std::uint64_t{0} << (cursor % 64));
        for (; left != 0; left &= left - 1) {
            const auto bit = static_cast<unsigned>(std::countr_zero(left));
            if (!taker.wants_more()) return word * 64 + bit;
            hand_over(taker, slab.slots()[first + bit].task.life);
        }
        cursor = (word + 1) * 64;
    }
    return cursor;
}

/// Adds a hold while there is one of those; false: there is none, or the last one was given up meanwhile.
bool TaskStore::hold_if(TaskCore& task, std::uint32_t holds) noexcept {
    std::uint32_t seen = task.holds.load(std::memory_order_relaxed);
    while ((seen & holds) != 0)
        if (task.holds.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
    return false;
}

TaskCore* TaskStore::entered(std::uint64_t tid) const noexcept {
    const auto found = pages_.find(tid / kTidsPerPage);
    if (found == pages_.end()) return nullptr;
    const std::uint32_t place = found->second.places[tid % kTidsPerPage];
    return place != 0 ? &at(place) : nullptr;
}

TaskCore* TaskStore::find(std::uint64_t tid) const noexcept {
    const std::lock_guard lock{mutex_};
    TaskCore* const task = entered(tid);
    return task != nullptr && !has_ended(*task) && hold_if(*task, TaskCore::kSchedulersHold) ? task : nullptr;
}

TaskCore* TaskStore::find_held(std::uint64_t tid) const noexcept {
    const std::lock_guard lock{mutex_};
    TaskCore* const task = entered(tid);
    return task != nullptr && hold_if(*task, ~TaskCore::kSchedulersHold) ? task : nullptr;
}

TaskCore* TaskStore::alive(std::uint64_t tid) const noexcept {
    const std::lock_guard lock{mutex_};
    TaskCore* const task = entered(tid);
    return task != nullptr && !has_ended(*task) ? task : nullptr;
}

std::vector<TaskCore*> TaskStore::all_alive() const {
    struct Found {
        std::uint32_t age;
        TaskCore* task;
    };
    std::vector<Found> found;
    {
        const std::lock_guard lock{mutex_};
        found.reserve(tasks_);
        for (const auto& [number, page] : pages_)
            for (std::size_t i = 0; i < kTidsPerPage; ++i)
                if (page.places[i] != 0 && !has_ended(at(page.places[i])))
                    found.push_back({entered_ - page.entered[i], &at(page.places[i])});
    }
    std::ranges::sort(found, std::greater{}, &Found::age);
    std::vector<TaskCore*> tasks;
    tasks.reserve(found.size());
    for (const Found& one : found)
        tasks.push_back(one.task);
    return tasks;
}

void TaskStore::close() noexcept {
    if ((visitors_.fetch_or(kClosed, std::memory_order_acq_rel) & kClosed) != 0) return;
    while (visitors_.load(std::memory_order_acquire) != kClosed)
        std::this_thread::yield();
}

}  // namespace tiffany::detail
