#include "asio_mixed.hpp"

#ifdef BOOST_ASIO_CUSTOM_HANDLER_TRACKING
#error "compiled as everybody else's library"
#endif

namespace library {

using asio::use_awaitable;

static constexpr Options kOptions{0x1111'1111'1111'1111, {}, 0x2222'2222'2222'2222};

static awaitable<void> echo_all(Socket socket) {
    Message message;
    for (;;) {
        const std::size_t size = co_await socket.async_read_some(asio::buffer(message), use_awaitable);
        co_await asio::async_write(socket, asio::buffer(message, size), use_awaitable);
        asio::steady_timer timer{socket.get_executor(), std::chrono::steady_clock::now()};
        co_await timer.async_wait(use_awaitable);
    }
}

static awaitable<void> end(int& ended) {
    ++ended;
    co_return;
}

void echo(asio::io_context& context, Socket socket, int& ended) {
    asio::co_spawn(context, echo_all(std::move(socket)), [&ended](std::exception_ptr) { ++ended; });
}

void spawn(const asio::any_io_executor& executor, int& ended) {
    asio::co_spawn(executor, end(ended), asio::detached);
}

awaitable<void> sleep(asio::steady_timer& timer) {
    co_await timer.async_wait(use_awaitable);
}

static awaitable<int> sleep_and_count(asio::steady_timer& timer) {
    co_await timer.async_wait(use_awaitable);
    co_return 1;
}

awaitable<int> sleep_elsewhere(asio::steady_timer& timer) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    co_return co_await asio::co_spawn(executor, sleep_and_count(timer), use_awaitable);
}

awaitable<std::size_t> read(Socket& socket, asio::mutable_buffer into) {
    co_return co_await asio::async_read(socket, into, use_awaitable);
}

awaitable<std::size_t> write(Socket& socket, asio::const_buffer from) {
    co_return co_await asio::async_write(socket, from, use_awaitable);
}

Options options() {
    return kOptions;
}

bool are_options(const Options& options) {
    return options.before == kOptions.before && options.behind == kOptions.behind;
}

// the test makes it, too
awaitable<std::size_t> (*const also_here)(Socket&, asio::mutable_buffer) = read_inline;

}  // namespace library
