#pragma once
/// What the tasks of one program share, and the account that is kept of what they do.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tiffany/scheduler/channel.hpp>
#include <tiffany/scheduler/mutex.hpp>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/scheduler/semaphore.hpp>
#include <utility>
#include <vector>

#include "program.hpp"

namespace tiffany::testing {

/// What a step that fails throws.
struct StepFailed : std::runtime_error {
    StepFailed() : std::runtime_error{"a step failed"} {}
};

/// Both ends of a socket pair, which do not block.
class Pipe {
  public:
    Pipe();
    ~Pipe();
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    int reader() const noexcept { return ends_[0]; }
    void put() const noexcept;
    void get() const noexcept;
    bool has_data() const noexcept;

  private:
    std::array<int, 2> ends_{};
};

/// Goes with each coroutine's frame, begun or not.
class FrameCount {
  public:
    explicit FrameCount(std::atomic<int>& alive) noexcept : alive_{&alive} { ++*alive_; }
    FrameCount(const FrameCount& other) noexcept : FrameCount{*other.alive_} {}
    FrameCount& operator=(const FrameCount&) = delete;
    ~FrameCount() { --*alive_; }

  private:
    std::atomic<int>* alive_;
};

enum class Outcome : std::uint8_t { none, finished, failed, cancelled };

/// One task. What is no atomic is guarded by the world's mutex.
struct Entry {
    std::size_t number = 0;
    TaskHandle handle;          // none: it is being spawned, or its spawn was refused
    std::vector<Entry*> after;  // it depends on these
    std::atomic<bool> begun{false};
    std::atomic<Outcome> outcome{Outcome::none};
    std::atomic<bool> join_unanswered{false};  // it was destroyed in a join
    std::atomic<unsigned> requests{0};         // cancel() returned true, on a thread of the scheduler's
    std::atomic<unsigned> requests_elsewhere{0};
    std::atomic<unsigned> cancellations{0};  // that arrived
    std::atomic<unsigned> wakes{0};
    std::atomic<unsigned> wakes_seen{0};
};

enum class On : std::uint8_t { time, wake, join, event, mutex, semaphore, send, receive, read };

struct Value {
    std::size_t sender = 0;
    unsigned number = 0;
    auto operator<=>(const Value&) const = default;
};

/// Thread-safe.
class World {
  public:
    static constexpr std::size_t kObjects = 2;  // of each kind
    static constexpr std::size_t kMaxTasks = 48;
    static constexpr std::array<std::uint64_t, kObjects> kBounds{1, 3};  // of the semaphores

    /// @param virtual_clock  of the one worker; null: the tasks run on a pool, and time is real
    explicit World(VirtualClock* virtual_clock) : clock{virtual_clock} {}
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // ---- what tasks share ----

    SchedulerBase* scheduler = nullptr;
    VirtualClock* const clock;
    std::array<Event, kObjects> events;
    std::array<Mutex, kObjects> mutexes;
    std::array<Semaphore, kObjects> semaphores{Semaphore{kBounds[0]}, Semaphore{kBounds[1]}};
    std::array<Channel<Value>, kObjects> channels{Channel<Value>{1}, Channel<Value>{2}};
    std::array<Pipe, kObjects> pipes;

    bool is_pool() const noexcept { return clock == nullptr; }
    std::chrono::nanoseconds time(unsigned amount) const {
        return amount * std::chrono::nanoseconds{is_pool() ? 10'000 : 100'000};
    }

    // ---- tasks ----

    /// Spawns a task for a part of the program, which outlives it; does nothing if there are many, or it is refused.
    void spawn(const Script& script, const std::vector<Step>& steps, const std::vector<Entry*>& after = {});
    /// The same for a task that returns its number; null if there is none.
    std::pair<Entry*, ResultHandle<std::size_t>> fork(const std::vector<Step>& steps);
    /// A task, by the number of its spawn or a later one; null: there is none.
    Entry* pick(unsigned which);
    TaskHandle handle_of(const Entry& entry);
    void wake(unsigned which);
    void cancel(unsigned which, bool elsewhere);
    void post(const Step& step);
    /// What a thread does that is not the scheduler's.
    void run_foreign(const std::vector<Step>& steps, std::size_t first, std::size_t last);
    std::vector<TaskHandle> tasks();

    // ---- the account ----

    void wrong(std::string what);
    void expect(bool good, std::string_view what) {
        if (!good) wrong(std::string{what});
    }
    void step_done() noexcept { ++progress; }
    FrameCount frame() noexcept { return FrameCount{frames}; }

    void holds(std::size_t mutex, const Entry& entry);
    void holds_no_more(std::size_t mutex);
    void took(std::size_t semaphore, std::uint64_t count);
    void gives_back(std::size_t semaphore, std::uint64_t count);
    Value next_value(std::size_t channel, const Entry& sender);
    void sent(std::size_t channel, const Value& value);
    void received(std::size_t channel, const Entry& receiver, const Value& value);
    void closes(std::size_t channel);

    /// Nothing moves any more: what should, and does not; empty: nothing. A thread of the scheduler's.
    std::string stuck();
    /// All is over, and the scheduler closed.
    void judge(bool all_was_received);
    std::string findings();

    std::atomic<std::uint64_t> progress{0};
    std::atomic<int> frames{0};
    std::atomic<int> joins_begun{0};
    std::atomic<int> joins_over{0};
    std::atomic<int> posted{0};
    std::atomic<int> called{0};
    std::atomic<bool> all_are_asked{false};  // to end, by cancel_all or a shutdown

    /// A task's wait, as long as this lives.
    class Waiting {
      public:
        Waiting(World& world, Entry& who, On on, std::size_t which = 0, Entry* target = nullptr,
                std::uint64_t wanted = 0);
        ~Waiting();
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;

        /// It has what it waited for: on one worker nobody was passed.
        void expect_no_earlier();

      private:
        friend World;
        World& world_;
        Entry& who_;
        On on_;
        std::size_t which_;
        Entry* target_;
        std::uint64_t wanted_;
        std::list<Waiting*>::iterator place_;
    };

  private:
    struct ChannelAccount {
        std::map<std::size_t, unsigned> numbers;  // the last one of each sender
        std::set<Value> sent;                     // send() returned true
        std::set<Value> received;
        std::map<std::pair<std::size_t, std::size_t>, unsigned> last;  // by receiver and sender
        bool closed = false;
    };

    Entry* new_entry();
    template <typename T>
    bool start(Entry& entry, SpawnOptions options, Task<T> task);
    std::string_view stuck_in(const Waiting& waiting);
    bool has_cycle_of_joins() const;

    std::mutex mutex_;
    std::deque<Entry> entries_;
    std::list<Waiting*> waits_;
    std::vector<std::string> wrongs_;
    std::array<const Entry*, kObjects> holders_{};
    std::array<std::uint64_t, kObjects> taken_{};
    std::array<ChannelAccount, kObjects> channel_accounts_;
};

}  // namespace tiffany::testing
