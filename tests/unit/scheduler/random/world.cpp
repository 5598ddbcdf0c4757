#include "world.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

#include "steps.hpp"

namespace tiffany::testing {

Pipe::Pipe() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends_.data()) != 0)
        throw std::system_error{errno, std::system_category(), "cannot make a socket pair"};
}

Pipe::~Pipe() {
    for (const int end : ends_)
        ::close(end);
}

void Pipe::put() const noexcept {
    const char byte = 'x';
    [[maybe_unused]] const ssize_t put = ::write(ends_[1], &byte, 1);
}

void Pipe::get() const noexcept {
    char byte = 0;
    [[maybe_unused]] const ssize_t got = ::read(ends_[0], &byte, 1);  // another task may have been faster
}

bool Pipe::has_data() const noexcept {
    int bytes = 0;
    return ioctl(ends_[0], FIONREAD, &bytes) == 0 && bytes > 0;
}

// ---- tasks ----

Entry* World::new_entry() {
    const std::lock_guard lock{mutex_};
    if (entries_.size() == kMaxTasks) return nullptr;
    Entry& entry = entries_.emplace_back();
    entry.number = entries_.size() - 1;
    return &entry;
}

template <typename T>
bool World::start(Entry& entry, SpawnOptions options, Task<T> task) {
    std::vector<TaskRef> needs;
    bool by_number = false;
    for (const Entry* const other : entry.after) {
        TaskHandle handle = handle_of(*other);
        if (std::exchange(by_number, !by_number))
            needs.emplace_back(handle.tid());
        else
            needs.emplace_back(std::move(handle));
    }
    options.dependencies = needs;
    TaskHandle handle;
    try {
        handle = scheduler->spawn(options, std::move(task));
    } catch (const SpawnRefused&) {
        return false;
    }
    const std::lock_guard lock{mutex_};
    entry.handle = std::move(handle);
    return true;
}

void World::spawn(const Script& script, const std::vector<Step>& steps, const std::vector<Entry*>& after) {
    Entry* const entry = new_entry();
    if (entry == nullptr) return;
    entry->after = after;
    SpawnOptions options{.name = "random", .priority = static_cast<std::uint8_t>(script.priority)};
    if (script.quantum != 0) options.quantum = time(script.quantum);
    if (script.budget != 0) {
        options.budget = time(script.budget);
        options.budget_period = time(8);
    }
    if (script.pinned) {
        options.pinned = true;
        options.worker = static_cast<unsigned>(entry->number % 2);
    }
    start(*entry, std::move(options), run_task(*this, *entry, steps, frame()));
}

std::pair<Entry*, ResultHandle<std::size_t>> World::fork(const std::vector<Step>& steps) {
    Entry* const entry = new_entry();
    if (entry == nullptr || !start(*entry, {.name = "fork"}, run_fork(*this, *entry, steps, frame()))) return {};
    return {entry, ResultHandle<std::size_t>{handle_of(*entry)}};
}

Entry* World::pick(unsigned which) {
    const std::lock_guard lock{mutex_};
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[(which + i) % entries_.size()];
        if (entry.handle) return &entry;
    }
    return nullptr;
}

TaskHandle World::handle_of(const Entry& entry) {
    const std::lock_guard lock{mutex_};
    return entry.handle;
}

void World::wake(unsigned which) {
    Entry* const entry = pick(which);
    if (entry == nullptr) return;
    ++entry->wakes;
    handle_of(*entry).wake();
}

void World::cancel(unsigned which, bool elsewhere) {
    Entry* const entry = pick(which);
    if (entry == nullptr) return;
    const TaskHandle handle = handle_of(*entry);
    // counted before, so that it is never behind
    std::atomic<unsigned>& requests = elsewhere ? entry->requests_elsewhere : entry->requests;
    ++requests;
    if (!handle.cancel()) --requests;
}

void World::post(const Step& step) {
    ++posted;
    scheduler->post([this, &step] {
        ++called;
        if (step.amount % 2 == 1) events[step.which % kObjects].set();
    });
}

void World::run_foreign(const std::vector<Step>& steps, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
        const Step& step = steps[i];
        switch (step.op) {
            case Op::spawn: {
                Entry* const other = step.amount % 2 == 1 ? pick(step.which) : nullptr;
                spawn({}, step.body, other != nullptr ? std::vector{other} : std::vector<Entry*>{});
                break;
            }
            case Op::wake:
                wake(step.which);
                break;
            case Op::cancel:
                cancel(step.which, true);
                break;
            case Op::write:
                pipes[step.which % kObjects].put();
                break;
            case Op::post:
                post(step);
                break;
            default:
                if (is_pool()) std::this_thread::sleep_for(time(step.amount));
        }
    }
}

std::vector<TaskHandle> World::tasks() {
    const std::lock_guard lock{mutex_};
    std::vector<TaskHandle> handles;
    for (const Entry& entry : entries_)
        if (entry.handle) handles.push_back(entry.handle);
    return handles;
}

// ---- the account ----

void World::wrong(std::string what) {
    const std::lock_guard lock{mutex_};
    if (wrongs_.size() < 10) wrongs_.push_back(std::move(what));
}

std::string World::findings() {
    const std::lock_guard lock{mutex_};
    std::string all;
    for (const std::string& one : wrongs_)
        all += one + '\n';
    return all;
}

void World::holds(std::size_t mutex, const Entry& entry) {
    const std::lock_guard lock{mutex_};
    if (std::exchange(holders_[mutex], &entry) != nullptr) wrongs_.emplace_back("two tasks hold one mutex");
}

void World::holds_no_more(std::size_t mutex) {
    const std::lock_guard lock{mutex_};
    holders_[mutex] = nullptr;
}

void World::took(std::size_t semaphore, std::uint64_t count) {
    const std::lock_guard lock{mutex_};
    taken_[semaphore] += count;
    if (taken_[semaphore] > kBounds[semaphore]) wrongs_.emplace_back("more was taken from a semaphore than it has");
}

void World::gives_back(std::size_t semaphore, std::uint64_t count) {
    const std::lock_guard lock{mutex_};
    taken_[semaphore] -= count;
}

Value World::next_value(std::size_t channel, const Entry& sender) {
    const std::lock_guard lock{mutex_};
    return {sender.number, ++channel_accounts_[channel].numbers[sender.number]};
}

void World::sent(std::size_t channel, const Value& value) {
    const std::lock_guard lock{mutex_};
    channel_accounts_[channel].sent.insert(value);
}

void World::received(std::size_t channel, const Entry& receiver, const Value& value) {
    const std::lock_guard lock{mutex_};
    ChannelAccount& account = channel_accounts_[channel];
    const auto sender = account.numbers.find(value.sender);
    if (sender == account.numbers.end() || value.number == 0 || value.number > sender->second)
        wrongs_.emplace_back("a value was received that nobody sent");
    if (!account.received.insert(value).second) wrongs_.emplace_back("a value was received twice");
    unsigned& last = account.last[{receiver.number, value.sender}];
    if (value.number <= std::exchange(last, value.number))
        wrongs_.emplace_back("values were received in another order than they were sent in");
}

void World::closes(std::size_t channel) {
    const std::lock_guard lock{mutex_};
    channel_accounts_[channel].closed = true;
}

World::Waiting::Waiting(World& world, Entry& who, On on, std::size_t which, Entry* target, std::uint64_t wanted)
    : world_{world}, who_{who}, on_{on}, which_{which}, target_{target}, wanted_{wanted} {
    const std::lock_guard lock{world_.mutex_};
    place_ = world_.waits_.insert(world_.waits_.end(), this);
}

World::Waiting::~Waiting() {
    const std::lock_guard lock{world_.mutex_};
    world_.waits_.erase(place_);
}

void World::Waiting::expect_no_earlier() {
    if (world_.is_pool() || world_.all_are_asked) return;
    bool passed = false;
    for (const Waiting* const other : world_.waits_) {
        if (other == this) break;
        const bool is_cancelled = other->who_.requests + other->who_.requests_elsewhere > other->who_.cancellations;
        passed |= other->on_ == on_ && other->which_ == which_ && !is_cancelled;
    }
    world_.expect(!passed, "a task got a mutex that another one had waited for longer");
}

// ---- nothing moves any more ----

std::string_view World::stuck_in(const Waiting& waiting) {
    const auto object = waiting.which_;
    const auto first_of_its_kind = [&] {
        for (const Waiting* const other : waits_)
            if (other->on_ == waiting.on_ && other->which_ == object) return other == &waiting;
        return false;
    };
    const ChannelAccount& channel = channel_accounts_[object];
    const std::size_t under_way = channel.sent.size() - channel.received.size();
    switch (waiting.on_) {
        case On::time:
            return "a time that is over";
        case On::wake:
            return waiting.who_.wakes > waiting.who_.wakes_seen ? "a wake that was" : "";
        case On::join:
            return waiting.target_->handle && waiting.target_->handle.ended() ? "a task that has ended" : "";
        case On::event:
            return events[object].is_set() ? "an event that is set" : "";
        case On::mutex:
            return holders_[object] == nullptr ? "a mutex that is free" : "";
        case On::semaphore:
            if (semaphores[object].available() + taken_[object] != kBounds[object])
                return "a semaphore that has lost some";
            // in a pool it is not known who came first
            if (!is_pool() && !first_of_its_kind()) return "";
            return semaphores[object].available() >= (is_pool() ? kBounds[object] : waiting.wanted_)
                       ? "a semaphore that has enough"
                       : "";
        case On::send:
            if (channel.closed) return "a closed channel";
            return under_way < object + 1 ? "a channel with room" : "";
        case On::receive:
            if (channel.closed) return "a closed channel";
            return under_way > 0 ? "a channel with values" : "";
        case On::read:
            return pipes[object].has_data() ? "data that is there" : "";
    }
    return "";
}

bool World::has_cycle_of_joins() const {
    std::vector<std::vector<const Entry*>> waits_on(entries_.size());
    for (const Waiting* const waiting : waits_)
        if (waiting->on_ == On::join) waits_on[waiting->who_.number].push_back(waiting->target_);
    for (const Entry& entry : entries_)
        if (entry.handle && !entry.handle.ended() && !entry.begun)
            waits_on[entry.number].insert(waits_on[entry.number].end(), entry.after.begin(), entry.after.end());
    // what waits on nothing goes, until nothing goes any more
    std::vector<bool> gone(entries_.size());
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t i = 0; i < gone.size(); ++i) {
            if (gone[i]) continue;
            const bool waits = std::any_of(waits_on[i].begin(), waits_on[i].end(),
                                           [&](const Entry* other) { return !gone[other->number]; });
            if (waits) continue;
            gone[i] = changed = true;
        }
    }
    return std::find(gone.begin(), gone.end(), false) != gone.end();
}

std::string World::stuck() {
    const std::lock_guard lock{mutex_};
    if (posted != called) return "a posted function was not called";
    std::size_t alive = 0;
    for (const Entry& entry : entries_) {
        if (!entry.handle || entry.handle.ended()) continue;
        ++alive;
        const std::string task = "task " + std::to_string(entry.number);
        if (entry.requests > entry.cancellations) return task + " was cancelled, and does not hear of it";
        if (!entry.begun) {
            const bool waits = std::any_of(entry.after.begin(), entry.after.end(),
                                           [](const Entry* other) { return !other->handle.ended(); });
            if (!waits) return task + " does not begin";
            continue;
        }
        const auto waiting =
            std::find_if(waits_.begin(), waits_.end(), [&](const Waiting* one) { return &one->who_ == &entry; });
        if (waiting == waits_.end()) return task + " waits for nothing";
        if (const std::string_view why = stuck_in(**waiting); !why.empty())
            return task + " waits for " + std::string{why};
    }
    if (alive != scheduler->live())
        return "expected " + std::to_string(alive) + " live tasks, found " + std::to_string(scheduler->live());
    if (has_cycle_of_joins()) return "tasks join each other in a circle";
    return {};
}

void World::judge(bool all_was_received) {
    expect(scheduler->live() == 0, "tasks live on after the end");
    expect(frames == 0, "expected all coroutines to be destroyed, found " + std::to_string(frames));
    expect(joins_begun == joins_over, "a join is not over");
    for (std::size_t i = 0; i < kObjects; ++i) {
        expect(holders_[i] == nullptr, "a mutex is held after the end");
        expect(semaphores[i].available() == kBounds[i], "a semaphore has lost some");
        const ChannelAccount& account = channel_accounts_[i];
        if (all_was_received) expect(account.sent == account.received, "values were lost in a channel");
    }
    for (const Entry& entry : entries_) {
        if (!entry.handle) continue;
        const std::string task = "task " + std::to_string(entry.number) + ": ";
        const TaskState state = entry.handle.state();
        expect(entry.handle.ended(), task + "it has not ended");
        switch (entry.outcome.load()) {
            case Outcome::none:
                expect(state == TaskState::Cancelled, task + "it was destroyed, and is not Cancelled");
                break;
            case Outcome::finished:
                expect(state == TaskState::Finished, task + "it returned, and is not Finished");
                break;
            case Outcome::failed:
                expect(state == TaskState::Failed && entry.handle.error() == StepFailed{}.what(),
                       task + "it failed, and is not Failed: " + entry.handle.error());
                break;
            case Outcome::cancelled:
                expect(state == TaskState::Cancelled, task + "it was cancelled, and is not Cancelled");
                break;
        }
        expect(!entry.join_unanswered || entry.outcome == Outcome::none, task + "a join was not answered");
        if (!all_are_asked)
            expect(entry.cancellations <= entry.requests + entry.requests_elsewhere,
                   task + "more cancellations arrived than were asked for");
    }
}

}  // namespace tiffany::testing
