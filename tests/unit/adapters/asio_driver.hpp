#pragma once
// Plays the conformance suite's programs on Boost.Asio, as an Asio program would do their steps.

#include <tiffany/adapters/asio.hpp>

#include <poll.h>

#include <boost/asio.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <tiffany/testing/driver.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {

/// An asynchronous operation that Asio knows nothing of: whoever calls `set` completes it, and it stays set.
class AsioGate {
  public:
    /// @param resets  once passed it is as new
    boost::asio::awaitable<void> pass(bool resets) {
        {
            const std::lock_guard lock{mutex_};
            if (set_) {
                set_ = !resets;
                co_return;
            }
        }
        co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
            [this](auto handler) {
                const std::lock_guard lock{mutex_};
                auto executor = boost::asio::get_associated_executor(handler);
                auto shared = std::make_shared<decltype(handler)>(std::move(handler));
                const auto wake = [shared, executor] { boost::asio::post(executor, [shared] { (*shared)(); }); };
                if (set_)
                    wake();
                else
                    waiters_.emplace_back(wake);
            },
            boost::asio::use_awaitable);
    }
    bool is_set() {
        const std::lock_guard lock{mutex_};
        return set_;
    }
    /// Whoever waits is destroyed.
    void drop() {
        const std::lock_guard lock{mutex_};
        waiters_.clear();
    }
    /// @param stays  whoever passes later need not wait, though others waited
    void set(bool stays) {
        std::vector<std::function<void()>> woken;
        {
            const std::lock_guard lock{mutex_};
            set_ = stays || waiters_.empty();
            woken.swap(waiters_);
        }
        for (const auto& wake : woken)
            wake();
    }

  private:
    std::mutex mutex_;
    bool set_ = false;
    std::vector<std::function<void()>> waiters_;
};

/// What Asio leaves to its users is left out: locks, channels, joins of any task by any other, time-outs, a budget.
class AsioDriver : public Driver {
  public:
    TaskState state(std::size_t task) const override {
        const std::lock_guard lock{mutex_};
        const Player& player = players_.at(task);
        if (player.executor) return player.executor->state();
        return player.is_spawned ? TaskState::Ready : TaskState::None;
    }

    void run(Stage& stage) override {
        asio::Telemetry telemetry{"asio"};
        {
            const std::lock_guard lock{mutex_};
            players_ = std::vector<Player>(stage.program().tasks.size());
            gates_.clear();
            telemetry_ = &telemetry;
        }
        boost::asio::io_context context;
        const LetGo letting_go{*this};
        for (const std::size_t task : stage.program().at_start())
            spawn(context, stage, task);
        if (stage.program().ending == Ending::not_run) return;
        if (stage.program().ending == Ending::idle) {
            const std::jthread stopping{[&] {
                while (!nothing_can_run() && stage.in_time())
                    std::this_thread::yield();
                context.stop();
            }};
            asio::run(context, telemetry);
            return;
        }
        auto outside_works = boost::asio::make_work_guard(context);
        const std::jthread outside{[&] {
            stage.play_outside([&](const Step& step) {
                if (step.what == Do::spawn) spawn(context, stage, step.target);
                if (step.what == Do::wake) player(step.target).woken.set(false);
            });
            outside_works.reset();
        }};
        const std::jthread giving_up = stage.give_up_by([&] { context.stop(); });
        std::vector<std::jthread> threads(stage.program().workers);
        for (std::jthread& thread : threads)
            thread = std::jthread{[&] { asio::run(context, telemetry); }};
        threads.clear();
    }

  protected:
    /// What both kinds can.
    static Model model_with(Abilities more) {
        Model model{.can = {Can::yield, Can::fail, Can::spawn, Can::sleep, Can::io, Can::destroy, Can::destroy_asleep,
                            Can::outside_spawn, Can::groups, Can::priorities, Can::sites}};
        model.can.add(more);
        model.most_workers = 4;
        model.block = TaskEvent::Wait;
        model.reason = WaitReason::other;
        model.names_wakers = false;  // who cancels an operation is not known
        model.exact_sleeps = false;
        return model;
    }

  private:
    using Executor = asio::TaskExecutor<boost::asio::io_context::executor_type>;

    struct Player {
        bool is_spawned = false;
        std::optional<Executor> executor = {};  // from its first run on
        bool is_cancelled = false;
        std::function<void()> cancel = {};  // what it waits for
        AsioGate woken = {};
    };

    bool nothing_can_run() const {
        for (std::size_t task = 0; task < players_.size(); ++task)
            if (!kSuspended.has(state(task)) && !kEnded.has(state(task))) return false;
        return true;
    }

    /// Who waits in vain is let go of while there is a context.
    struct LetGo {
        explicit LetGo(AsioDriver& its_driver) : driver{its_driver} {}
        ~LetGo() {
            const std::lock_guard lock{driver.mutex_};
            for (Player& player : driver.players_)
                player.woken.drop();
            for (auto& [number, gate] : driver.gates_)
                gate.drop();
        }
        LetGo(const LetGo&) = delete;
        LetGo& operator=(const LetGo&) = delete;

        AsioDriver& driver;
    };

    Player& player(std::size_t task) {
        const std::lock_guard lock{mutex_};
        return players_.at(task);
    }
    AsioGate& event(std::size_t number) {
        const std::lock_guard lock{mutex_};
        return gates_[number];
    }

    void spawn(boost::asio::io_context& context, Stage& stage, std::size_t task) {
        const Script& script = stage.script(task);
        asio::TaskInfo info{.name = stage.name(task), .priority = script.priority};
        if (!script.group.empty()) info.group = telemetry_->group(script.group);
        {
            const std::lock_guard lock{mutex_};
            players_.at(task).is_spawned = true;
        }
        asio::co_spawn(context, *telemetry_, info, play(context, stage, task), boost::asio::detached, stage.site(task));
    }

    /// Waits for an operation that `cancel` cancels.
    template <typename Operation>
    boost::asio::awaitable<void> wait(std::size_t task, std::function<void()> cancel, Operation operation) {
        {
            const std::lock_guard lock{mutex_};
            players_[task].cancel = std::move(cancel);
        }
        boost::system::error_code error;
        co_await operation(boost::asio::redirect_error(boost::asio::use_awaitable, error));
        {
            const std::lock_guard lock{mutex_};
            players_[task].cancel = nullptr;
        }
        if (error) throw boost::system::system_error{error};
    }

    void throw_if_cancelled(std::size_t task) {
        const std::lock_guard lock{mutex_};
        if (std::exchange(players_[task].is_cancelled, false))
            throw boost::system::system_error{boost::asio::error::operation_aborted};
    }

    boost::asio::awaitable<void> sleep(std::size_t task, std::chrono::nanoseconds time) {
        boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, time};
        co_await wait(
            task, [&] { timer.cancel(); }, [&](auto token) { return timer.async_wait(token); });
    }

    boost::asio::awaitable<void> read(std::size_t task, int descriptor) {
        pollfd wanted{descriptor, POLLIN, 0};
        if (poll(&wanted, 1, 0) == 1) co_return;  // Asio would suspend all the same
        boost::asio::posix::stream_descriptor stream{co_await boost::asio::this_coro::executor, descriptor};
        try {
            co_await wait(
                task, [&] { stream.cancel(); },
                [&](auto token) { return stream.async_wait(boost::asio::posix::stream_descriptor::wait_read, token); });
        } catch (...) {
            stream.release();  // it is the stage's
            throw;
        }
        stream.release();
    }

    boost::asio::awaitable<void> yield(std::size_t task) {
        throw_if_cancelled(task);
        co_await boost::asio::post(boost::asio::use_awaitable);
        throw_if_cancelled(task);
    }

    void cancel(std::size_t task) {
        const std::lock_guard lock{mutex_};
        Player& target = players_.at(task);
        if (target.cancel)
            std::exchange(target.cancel, nullptr)();
        else
            target.is_cancelled = true;
    }

    boost::asio::awaitable<void> play_step(boost::asio::io_context& context, Stage& stage, std::size_t task,
                                           const Step& step) {
        switch (step.what) {
            case Do::yield:
                co_await yield(task);
                break;
            case Do::spin:
                for (;;) {
                    co_await yield(task);
                    std::this_thread::sleep_for(std::chrono::microseconds{50});  // else it floods the sink
                }
                break;
            case Do::sleep:
                co_await sleep(task, step.time);
                break;
            case Do::wait:
                co_await event(step.target).pass(false);
                break;
            case Do::set:
                event(step.target).set(true);
                break;
            case Do::block:
                if (player(task).woken.is_set()) co_await yield(task);
                co_await player(task).woken.pass(true);
                break;
            case Do::wake:
                player(step.target).woken.set(false);
                break;
            case Do::read:
                co_await read(task, stage.readable_end(step.target));
                break;
            case Do::spawn:
                spawn(context, stage, step.target);
                break;
            case Do::cancel:
                cancel(step.target);
                break;
            case Do::until:
                while (!stage.reached(step))
                    co_await boost::asio::post(boost::asio::use_awaitable);
                break;
            default:
                stage.act(step);
        }
    }

    boost::asio::awaitable<void> play(boost::asio::io_context& context, Stage& stage, std::size_t task) {
        const auto executor = co_await boost::asio::this_coro::executor;
        {
            const std::lock_guard lock{mutex_};
            players_[task].executor = *executor.target<Executor>();
        }
        for (const Step& step : stage.script(task).steps) {
            if (step.outcome != Outcome::caught) {
                co_await play_step(context, stage, task, step);
                continue;
            }
            try {
                co_await play_step(context, stage, task, step);
            } catch (const boost::system::system_error&) {
            }
        }
    }

    mutable std::mutex mutex_;
    asio::Telemetry* telemetry_ = nullptr;
    std::vector<Player> players_;  // their gates have a lock of their own
    std::map<std::size_t, AsioGate> gates_;
};

/// Tasks that wait for each other by operations of their own.
class AsioEventDriver : public AsioDriver {
  public:
    Model model() const override { return model_with({Can::event, Can::wake, Can::outside_wake}); }
};

/// Tasks that cancel each other's operations: Asio 1.74 cannot cancel those of others.
class AsioCancelDriver : public AsioDriver {
  public:
    Model model() const override { return model_with({Can::cancel, Can::catch_cancel}); }
};

}  // namespace tiffany::testing
