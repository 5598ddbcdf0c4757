#pragma once
// A library that knows nothing of us: its file is compiled without the macro that Asio's handler tracking needs, and is
// linked to a test that is compiled with it. What is inline here is compiled both ways.

#include <utility>  // Asio 1.74 forgets it

#include <array>
#include <boost/asio.hpp>
#include <cstddef>
#include <cstdint>

namespace library {

namespace asio = boost::asio;
using asio::awaitable;
using Socket = asio::local::stream_protocol::socket;
using Message = std::array<char, 3>;

/// Gives back what comes, until the other end is closed: coroutines of the library's own.
void echo(asio::io_context& context, Socket socket, int& ended);
/// Runs a coroutine of the library's own, which waits for nothing, in an executor of another.
void spawn(const asio::any_io_executor& executor, int& ended);

awaitable<void> sleep(asio::steady_timer& timer);
/// The same in a coroutine that it spawns and awaits.
awaitable<int> sleep_elsewhere(asio::steady_timer& timer);
awaitable<std::size_t> read(Socket& socket, asio::mutable_buffer into);
awaitable<std::size_t> write(Socket& socket, asio::const_buffer from);

/// A token of Asio's in a class of the library's.
struct Options {
    std::uint64_t before;
    asio::use_awaitable_t<> token;
    std::uint64_t behind;
};
Options options();
bool are_options(const Options& options);

inline awaitable<std::size_t> read_inline(Socket& socket, asio::mutable_buffer into) {
    const Options here = options();
    const std::size_t read = co_await asio::async_read(socket, into, here.token);
    asio::steady_timer timer{socket.get_executor(), std::chrono::steady_clock::now()};
    co_await timer.async_wait(asio::use_awaitable_t<>{});
    co_return are_options(here) ? read : 0;
}

}  // namespace library
