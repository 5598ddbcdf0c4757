#include <tiffany/adapters/tbb.hpp>

#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <tiffany/testing/conformance_suite.hpp>
#include <tiffany/testing/driver.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {
namespace {

/// What TBB's tasks cannot do is left out: they run from their begin to their end, and wait for nothing but each other.
class TbbDriver : public Driver {
  public:
    Model model() const override {
        return {.can = {Can::yield, Can::fail, Can::spawn, Can::join, Can::destroy, Can::groups, Can::priorities,
                        Can::sites},
                .most_workers = 4,
                .parks = false};
    }

    TaskState state(std::size_t task) const override { return players_.at(task).where.state(); }

    void run(Stage& stage) override {
        // a task that waits keeps its thread: as many as a program's tasks that wait for each other need
        constexpr std::size_t kThreads = 4;
        const ::tbb::global_control allows{::tbb::global_control::max_allowed_parallelism, kThreads + 1};
        tbb::Telemetry telemetry{"tbb"};
        const std::size_t tasks = stage.program().tasks.size();
        players_ = std::vector<Player>(tasks);
        for (Player& player : players_)
            player.group = std::make_unique<tbb::task_group>(telemetry);
        if (stage.program().ending == Ending::not_run) {
            std::vector<::tbb::task_handle> never_run;
            for (const std::size_t task : stage.program().at_start())
                never_run.push_back(players_[task].group->defer(
                    info(telemetry, stage, task), [] {}, stage.site(task)));
            return;
        }
        // by TBB's threads alone: this one would be a foreign one, without ticks
        tbb::task_arena arena{telemetry, static_cast<int>(kThreads), 0};
        std::vector<::tbb::task_handle> first;
        for (const std::size_t task : stage.program().at_start())
            first.push_back(handle(telemetry, stage, task));
        for (::tbb::task_handle& each : first)
            arena.enqueue(std::move(each));
        const auto has_ended = [](const Player& player) { return kEnded.has(player.where.state()); };
        while (!std::all_of(players_.begin(), players_.end(), has_ended) && stage.in_time())
            std::this_thread::sleep_for(std::chrono::microseconds{100});
        for (Player& player : players_)
            wait(player);
        players_.clear();
    }

  private:
    /// Where a task is. Thread-safe.
    class Where {
      public:
        TaskState state() const {
            const std::lock_guard lock{mutex_};
            return hooks_ != nullptr ? hooks_->state() : state_;
        }
        void set(TaskState state) {
            const std::lock_guard lock{mutex_};
            hooks_ = nullptr;
            state_ = state;
        }
        /// It is where the hooks say, until the next `set`, which comes before the task dies.
        void follow(const TaskTimes& hooks) {
            const std::lock_guard lock{mutex_};
            hooks_ = &hooks;
        }

      private:
        mutable std::mutex mutex_;
        TaskState state_ = TaskState::None;
        const TaskTimes* hooks_ = nullptr;
    };

    struct Player {
        std::unique_ptr<tbb::task_group> group = {};  // of its one task
        Where where = {};
        TaskState ends_as = TaskState::None;  // writer: its thread
    };

    /// Says that a task has ended when its functor dies: then a join of it is no wait any more.
    struct SayEnd {
        void operator()(Player* player) const { player->where.set(player->ends_as); }
    };
    using SaysEnd = std::unique_ptr<Player, SayEnd>;

    /// While it runs: whether it waits is known when the hook has been called.
    class Following {
      public:
        explicit Following(Where& where) : where_{where} { where.follow(detail::TbbRun::here()->times()); }
        ~Following() { where_.set(TaskState::Running); }
        Following(const Following&) = delete;
        Following& operator=(const Following&) = delete;

      private:
        Where& where_;
    };

    static tbb::TaskInfo info(tbb::Telemetry& telemetry, const Stage& stage, std::size_t task) {
        tbb::TaskInfo info{.name = stage.name(task), .priority = stage.script(task).priority};
        if (!stage.script(task).group.empty()) info.group = telemetry.group(stage.script(task).group);
        return info;
    }

    static void wait(Player& player) {
        try {
            player.group->wait();
        } catch (const std::runtime_error&) {
            // the task's own, which was told
        }
    }

    void spawn(tbb::Telemetry& telemetry, Stage& stage, std::size_t task) {
        players_[task].group->run(handle(telemetry, stage, task));
    }

    ::tbb::task_handle handle(tbb::Telemetry& telemetry, Stage& stage, std::size_t task) {
        return players_[task].group->defer(
            info(telemetry, stage, task),
            [this, &telemetry, &stage, task, ending = SaysEnd{&players_[task]}] { play(telemetry, stage, task); },
            stage.site(task));
    }

    void play(tbb::Telemetry& telemetry, Stage& stage, std::size_t task) {
        Player& player = players_[task];
        const Following following{player.where};
        player.ends_as = TaskState::Failed;
        for (const Step& step : stage.script(task).steps)
            play_step(telemetry, stage, step);
        player.ends_as = TaskState::Finished;
    }

    void play_step(tbb::Telemetry& telemetry, Stage& stage, const Step& step) {
        switch (step.what) {
            case Do::yield:
                tbb::yield();
                break;
            case Do::spawn:
                spawn(telemetry, stage, step.target);
                break;
            case Do::join:
                wait(players_[step.target]);
                break;
            case Do::until:
                while (!stage.reached(step))
                    std::this_thread::yield();
                break;
            default:
                stage.act(step);
        }
    }

    std::vector<Player> players_;
};

[[maybe_unused]] const int tests = register_conformance<TbbDriver>("Tbb");

}  // namespace
}  // namespace tiffany::testing
