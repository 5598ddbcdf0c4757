#pragma once
/// What the scheduler's tests share: a scheduler on a virtual clock whose events are recorded, and a task's life told
/// from them.

#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <string>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <vector>

#include "../telemetry/recorded.hpp"
#include "watcher.hpp"

namespace tiffany::testing {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

/// The transitions of one task: "Spawned Ready", "Sleep 10", "Ready timer late 3", "Cancelled destroyed from Waiting".
inline std::vector<std::string> story_of(std::uint64_t tid) {
    std::vector<std::string> story;
    const std::lock_guard lock{recording().mutex};
    for (const Fired& fired : recording().events) {
        if (static_cast<std::size_t>(fired.id) >= kTransitions) continue;
        if (fired.as<tiffany_task_yield>().tid != tid) continue;
        std::string line{catalogue::info(fired.id).name};
        switch (static_cast<TaskEvent>(fired.id)) {
            case TaskEvent::Spawned:
                line += ' ' + std::string{label(static_cast<TaskState>(fired.as<tiffany_task_spawned>().state))};
                break;
            case TaskEvent::Ready: {
                const auto event = fired.as<tiffany_task_ready>();
                line += ' ' + std::string{label(static_cast<WakeCause>(event.cause))};
                if (event.waker != 0) line += " by " + std::to_string(event.waker);
                if (event.late_ns != 0) line += " late " + std::to_string(event.late_ns);
                break;
            }
            case TaskEvent::Sleep:
                line += ' ' + std::to_string(fired.as<tiffany_task_sleep>().dur_ns);
                break;
            case TaskEvent::IoWait:
                line += ' ' + std::to_string(fired.as<tiffany_task_iowait>().io);
                break;
            case TaskEvent::Join:
                line += ' ' + std::to_string(fired.as<tiffany_task_join>().target);
                break;
            case TaskEvent::Throttled:
                line += ' ' + std::to_string(fired.as<tiffany_task_throttled>().park_ns);
                break;
            case TaskEvent::Failed:
                line += std::string{" "} + fired.as<tiffany_task_failed>().error;
                break;
            case TaskEvent::Cancelled: {
                const auto event = fired.as<tiffany_task_cancelled>();
                line += ' ' + std::string{label(static_cast<CancelCause>(event.cause))};
                if (event.canceller != 0) line += " by " + std::to_string(event.canceller);
                line += " from " + std::string{label(static_cast<TaskState>(event.from_state))};
                break;
            }
            default:
                break;
        }
        story.push_back(line);
    }
    return story;
}

inline std::vector<std::string> story_of(const TaskHandle& task) {
    return story_of(task.tid());
}

/// "Ready join by 7", with the number of that task.
inline std::string by(const std::string& what, const TaskHandle& task) {
    return what + ' ' + std::to_string(task.tid());
}

/// Holds each run against the catalogue's state machine, in the process.
class Watched {
  public:
    Watched() { install_sink(watcher_, {.ring_bytes = std::size_t{1} << 20, .flush_timeout = 60s}); }
    ~Watched() { uninstall_sink(); }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    /// Once, when all workers were given back.
    void expect_legal() {
        uninstall_sink();
        EXPECT_THAT(watcher_->take().report.findings, ::testing::IsEmpty());
    }

  private:
    std::shared_ptr<Watcher> watcher_ = std::make_shared<Watcher>();
};

/// For tests that make schedulers of their own, which end before the test does.
class RealTime : public Recorded {
  protected:
    void TearDown() override { watched.expect_legal(); }

    Watched watched;
};

class Scheduled : public Recorded {
  protected:
    void TearDown() override {
        scheduler.close();
        watched.expect_legal();
    }

    Watched watched;
    VirtualClock clock;
    Scheduler scheduler{{.name = "test", .clock = &clock}};

    void advance(std::chrono::nanoseconds time) { clock.advance(static_cast<std::uint64_t>(time.count())); }

    /// What the design's queue equation says, of the events of this scheduler.
    void expect_queue_equation(std::uint64_t still_ready = 0) {
        std::uint64_t pushes = 0;
        std::uint64_t pops = 0;
        const std::lock_guard lock{recording().mutex};
        for (const Fired& fired : recording().events) {
            if (fired.id == EventId::TaskSpawned)
                pushes += fired.as<tiffany_task_spawned>().state == static_cast<std::uint8_t>(TaskState::Ready);
            if (fired.id == EventId::TaskReady || fired.id == EventId::TaskYield) ++pushes;
            if (fired.id == EventId::TaskThrottled) pushes += fired.as<tiffany_task_throttled>().park_ns == 0;
            if (fired.id == EventId::TaskRunning) ++pops;
            if (fired.id == EventId::TaskCancelled)
                pops += fired.as<tiffany_task_cancelled>().from_state == static_cast<std::uint8_t>(TaskState::Ready);
        }
        EXPECT_EQ(pushes, pops + still_ready);
    }
};

inline Task<> nothing() {
    co_return;
}
inline Task<> wait_for(Event& event) {
    co_await event.wait();
}
inline Task<> sleep(std::chrono::nanoseconds time) {
    co_await sleep_for(time);
}
inline Task<> fail(const char* why) {
    throw std::runtime_error{why};
    co_return;
}

}  // namespace tiffany::testing
