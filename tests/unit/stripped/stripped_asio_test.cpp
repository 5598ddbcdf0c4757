// The adapter for Boost.Asio without telemetry: it is Asio's own spawn, and the context's own run.

#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <boost/asio.hpp>
#include <type_traits>

namespace tiffany {
namespace {

using boost::asio::awaitable;
using boost::asio::detached;
using boost::asio::use_awaitable;

// Asio is compiled as without handler tracking, in which a token has members: a program may have files of both kinds
static_assert(std::is_empty_v<boost::asio::use_awaitable_t<>>);
#ifdef BOOST_ASIO_ENABLE_HANDLER_TRACKING
#error "Asio tracks handlers though the hooks are stripped"
#endif

awaitable<int> answer() {
    co_return 42;
}

TEST(StrippedAsio, RunsWhatItSpawnsAndTellsNothing) {
    int sum = 0;
    asio::Telemetry telemetry{"stripped"};
    boost::asio::io_context context;
    const auto adder = [&]() -> awaitable<void> {
        const auto executor = co_await boost::asio::this_coro::executor;
        sum += co_await asio::co_spawn(executor, telemetry, {.name = "by an executor"}, answer(), use_awaitable);
        sum += co_await asio::co_spawn(executor, telemetry, {.name = "by a function"}, answer, use_awaitable);
    };
    asio::co_spawn(context, telemetry, {.name = "adder", .group = telemetry.group("kind"), .priority = 3}, adder,
                   detached, Site::here());
    EXPECT_GE(asio::run(context, telemetry), 1u);
    EXPECT_EQ(sum, 84);
    EXPECT_EQ(telemetry.transitions(), 0u);
}

}  // namespace
}  // namespace tiffany
