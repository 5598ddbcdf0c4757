#pragma once
// The server of asio_echo.cpp: each connection is a task. The adapter's benchmark measures it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <tiffany/adapters/asio.hpp>
#include <utility>

#include <boost/asio.hpp>

namespace example {

namespace asio = boost::asio;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;
using asio::ip::tcp;

constexpr std::size_t kBytes = 64;  // of a request
constexpr unsigned kThreads = 2;

inline awaitable<void> echo(tcp::socket socket) {
    std::array<char, kBytes> data{};
    for (;;) {
        boost::system::error_code left;
        const std::size_t size =
            co_await socket.async_read_some(asio::buffer(data), asio::redirect_error(use_awaitable, left));
        if (left) co_return;
        co_await asio::async_write(socket, asio::buffer(data, size), use_awaitable);
    }
}

inline awaitable<void> listen(tcp::acceptor& acceptor, tiffany::asio::Telemetry& telemetry, int connections) {
    const std::uint16_t group = telemetry.group("connections");
    for (int i = 0; i < connections; ++i) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        tiffany::asio::co_spawn(acceptor.get_executor(), telemetry, {.name = "connection", .group = group},
                                echo(std::move(socket)), detached);
    }
}

}  // namespace example
