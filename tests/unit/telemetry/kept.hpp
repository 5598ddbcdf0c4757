#pragma once
/// What tests of the sink share: a sink that keeps all it is told, and can be made to stand still.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tiffany/pal/sink.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <vector>

namespace tiffany::testing {

using namespace std::chrono_literals;

/// Calls `condition` until it is true; false if it is not within 30 s.
template <typename Condition>
bool eventually(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// For who waits until all is told: the sink's thread may get no CPU for a while.
inline constexpr SinkOptions kPatient{.flush_timeout = 60s};

/// Thread-safe.
class Kept : public pal::Sink {
  public:
    struct Entry {
        pal::Record record;  // info is null: it is a gap
        pal::Gap gap;
    };

    void record(const pal::Record& record) override {
        std::unique_lock lock{mutex_};
        in_call_ = true;
        open_.wait(lock, [this] { return !closed_; });
        in_call_ = false;
        entries_.push_back({record, {}});
    }
    void gap(const pal::Gap& gap) override {
        const std::lock_guard lock{mutex_};
        entries_.push_back({{}, gap});
    }

    /// From now on calls wait.
    void close() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
    }
    void open() {
        const std::lock_guard lock{mutex_};
        closed_ = false;
        open_.notify_all();
    }
    bool in_call() const {
        const std::lock_guard lock{mutex_};
        return in_call_ && closed_;
    }

    std::vector<Entry> entries() const {
        const std::lock_guard lock{mutex_};
        return entries_;
    }
    /// "WorkerStarted", "Spawned", "Gap", ...
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const Entry& entry : entries())
            names.emplace_back(entry.record.info == nullptr ? "Gap" : entry.record.info->name);
        return names;
    }
    std::vector<pal::Record> of(std::string_view name) const {
        std::vector<pal::Record> found;
        for (const Entry& entry : entries())
            if (entry.record.info != nullptr && entry.record.info->name == name) found.push_back(entry.record);
        return found;
    }
    std::vector<pal::Gap> gaps() const {
        std::vector<pal::Gap> found;
        for (const Entry& entry : entries())
            if (entry.record.info == nullptr) found.push_back(entry.gap);
        return found;
    }

    struct Stretch {
        std::uint64_t first = 0;  // seq
        std::uint64_t last = 0;
        std::uint64_t delivered = 0;
        std::uint64_t lost = 0;
    };
    /// Of each worker: what was told of its transitions. A test fails if they are not told one after the other, each
    /// once, as a record or in a gap.
    std::map<pal::WorkerId, Stretch> stretches() const {
        std::map<pal::WorkerId, Stretch> found;
        for (const Entry& entry : entries()) {
            const bool gap = entry.record.info == nullptr;
            if (!gap && !entry.record.info->is_transition()) continue;
            const std::uint64_t from = gap ? entry.gap.from_seq : entry.record.seq;
            const std::uint64_t to = gap ? entry.gap.to_seq : entry.record.seq;
            Stretch& stretch = found[gap ? entry.gap.worker : entry.record.worker];
            if (stretch.last == 0)
                stretch.first = from;
            else
                EXPECT_EQ(from, stretch.last + 1) << "told twice, or not at all";
            EXPECT_LE(from, to);
            stretch.last = to;
            if (!gap) {
                ++stretch.delivered;
            } else {
                EXPECT_EQ(entry.gap.lost, to - from + 1);
                stretch.lost += entry.gap.lost;
            }
        }
        return found;
    }
    Stretch stretch_of(const Worker& worker) const { return stretches()[pal::WorkerId::from_event(worker.id())]; }

  private:
    mutable std::mutex mutex_;
    std::condition_variable open_;
    bool closed_ = false;
    bool in_call_ = false;
    std::vector<Entry> entries_;
};

/// One life: 3 transitions.
inline void live(Worker& worker) {
    TaskTimes task;
    worker.spawned(task, {.name = "short"});
    worker.running(task);
    worker.done(task);
}

}  // namespace tiffany::testing
