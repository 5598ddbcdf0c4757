// An echo server on Boost.Asio and its clients, in one process: each connection and each client is a task.
//
//     asio_echo [CONNECTIONS [REQUESTS]]       that many clients, each with that many requests; default 100 and 20
//
// With TIFFANY_METRICS=127.0.0.1:9464 it serves metrics, and stays until its input ends. docs/asio.md

#include <array>
#include <atomic>
#include <charconv>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/adapters/asio.hpp>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <vector>

#include <boost/asio.hpp>

#include "asio_echo.hpp"

namespace {

using namespace example;

awaitable<int> client(tcp::endpoint server, int requests, std::atomic<long>& answers) {
    tcp::socket socket{co_await asio::this_coro::executor};
    co_await socket.async_connect(server, use_awaitable);
    std::array<char, kBytes> sent{};
    std::array<char, kBytes> got{};
    for (int i = 0; i < requests; ++i) {
        sent.fill(static_cast<char>('a' + i % 26));
        co_await asio::async_write(socket, asio::buffer(sent), use_awaitable);
        co_await asio::async_read(socket, asio::buffer(got), use_awaitable);
        if (got != sent) throw std::runtime_error{"the answer is not what was sent"};
        ++answers;
    }
    co_return requests;
}

awaitable<void> load(tcp::endpoint server, tiffany::asio::Telemetry& telemetry, int clients, int requests,
                     std::atomic<long>& answers) {
    const auto executor = co_await asio::this_coro::executor;
    // the others begin when it has been answered
    co_await tiffany::asio::co_spawn(executor, telemetry, {.name = "first client"}, client(server, requests, answers),
                                     use_awaitable);
    for (int i = 1; i < clients; ++i)
        tiffany::asio::co_spawn(executor, telemetry, {.name = "client"}, client(server, requests, answers), detached);
}

int number(std::string_view text, int most) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > most)
        throw std::invalid_argument{"expected a number from 1 to " + std::to_string(most) + ", found " +
                                    std::string{text}};
    return value;
}

void run(int connections, int requests) {
    tiffany::asio::Telemetry telemetry{"echo"};  // before the context, which dies first
    const auto metrics = tiffany::make_collectable(telemetry);
    const auto server = tiffany::MetricsServer::from_environment();
    if (server) {
        server->add(metrics);
        std::cerr << "metrics on " << server->url() << '\n';
    }
    std::atomic<long> answers{0};
    {
        asio::io_context context{kThreads};
        tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
        acceptor.listen(connections);
        tiffany::asio::co_spawn(context, telemetry, {.name = "listener"}, listen(acceptor, telemetry, connections),
                                detached);
        tiffany::asio::co_spawn(context, telemetry, {.name = "load"},
                                load(acceptor.local_endpoint(), telemetry, connections, requests, answers), detached);
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < kThreads; ++i)
            threads.emplace_back([&] { tiffany::asio::run(context, telemetry); });
    }
    std::cout << answers << " answers\n" << telemetry.transitions() << " transitions" << std::endl;
    if (server) std::cin.get();
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc > 3) throw std::invalid_argument{"expected at most two numbers, CONNECTIONS and REQUESTS"};
    run(argc > 1 ? number(argv[1], 10'000) : 100, argc > 2 ? number(argv[2], 1'000'000) : 20);
    return 0;
} catch (const std::invalid_argument& error) {
    std::cerr << "asio_echo: " << error.what() << '\n';
    return 2;
} catch (const std::exception& error) {  // the port of TIFFANY_METRICS is taken, say
    std::cerr << "asio_echo: " << error.what() << '\n';
    return 1;
}
