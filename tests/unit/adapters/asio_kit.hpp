#pragma once
// What the tests of Asio's coroutines have in common.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <boost/asio.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <utility>

#include "told.hpp"

namespace asio_kit {

using namespace std::chrono_literals;
using namespace tiffany::testing;
using tiffany::CancelCause;
using tiffany::TaskEvent;
using tiffany::TaskState;
using tiffany::WakeCause;
namespace asio = boost::asio;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;
using asio::ip::tcp;
using tiffany::asio::Telemetry;

/// A context in which one thread runs coroutines until there is nothing left to do; then both go.
class AsioTest : public testing::Test {
  protected:
    /// Errors: what leaves a handler.
    Recording run_to_end(const std::function<void(asio::io_context&, Telemetry&)>& spawn) {
        const ScopedSink sink;
        {
            Telemetry telemetry{"asio"};
            asio::io_context context;
            spawn(context, telemetry);
            context.run();
        }
        Recording run = sink.recording();
        EXPECT_THAT(run, LifecycleIsLegal());
        EXPECT_THAT(run, RunsOneAtATime());
        return run;
    }
};

inline awaitable<void> sleep_for(std::chrono::nanoseconds time) {
    asio::steady_timer timer{co_await asio::this_coro::executor, time};
    co_await timer.async_wait(use_awaitable);
}

inline awaitable<int> add(int a, int b) {
    co_await sleep_for(1ns);
    co_return a + b;
}

/// An asynchronous operation that Asio knows nothing of: whoever calls `set` completes it.
class Gate {
  public:
    /// @param at_once  called within the initiation, when the gate can be set
    awaitable<void> wait(std::function<void()> at_once = [] {}) {
        return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
            [this, at_once = std::move(at_once)](auto handler) {
                auto executor = asio::get_associated_executor(handler);
                {
                    const std::lock_guard lock{mutex_};
                    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
                    resume_ = [shared, executor](bool inlined) {
                        auto call = [shared]() { (*shared)(); };
                        if (inlined)
                            asio::dispatch(executor, call);
                        else
                            asio::post(executor, call);
                    };
                }
                at_once();
            },
            use_awaitable);
    }
    bool is_awaited() {
        const std::lock_guard lock{mutex_};
        return resume_ != nullptr;
    }
    void set(bool inlined = false) {
        std::function<void(bool)> resume;
        {
            const std::lock_guard lock{mutex_};
            resume.swap(resume_);
        }
        resume(inlined);
    }

  private:
    std::mutex mutex_;
    std::function<void(bool)> resume_;
};

}  // namespace asio_kit
