#include "echo_case.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <tiffany/adapters/asio.hpp>
#include <vector>

#include <boost/asio.hpp>

#include "asio_echo.hpp"
#include "scheduler_cases.hpp"

namespace {

using namespace example;

/// The clients, in one thread, without Asio: each has one request on its way. Returns whether all were answered.
class Clients {
  public:
    Clients(const tcp::endpoint& server, const bench::EchoSetup& setup) : server_{server}, setup_{setup} {}
    Clients(const Clients&) = delete;
    Clients& operator=(const Clients&) = delete;
    ~Clients() {
        for (const Client& client : clients_)
            close(client.socket);
        if (epoll_ >= 0) close(epoll_);
    }

    bool run() {
        if (!connect_all()) return false;
        std::vector<epoll_event> events(256);
        for (int left = setup_.connections; left != 0;) {
            const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kDeadlineMs);
            if (count <= 0) return false;
            for (int i = 0; i < count; ++i) {
                Client& client = clients_[events[static_cast<std::size_t>(i)].data.u32];
                if (!receive(client)) return false;
                if (client.missing != 0) continue;
                if (--client.left == 0) {
                    --left;
                    shutdown(client.socket, SHUT_WR);
                    epoll_ctl(epoll_, EPOLL_CTL_DEL, client.socket, nullptr);
                } else if (!send(client)) {
                    return false;
                }
            }
        }
        return true;
    }

  private:
    static constexpr int kDeadlineMs = 60'000;
    struct Client {
        int socket = -1;
        int left = 0;             // requests that are not answered
        std::size_t missing = 0;  // bytes of the present answer
    };

    bool connect_all() {
        epoll_ = epoll_create1(EPOLL_CLOEXEC);
        for (int i = 0; i < setup_.connections; ++i) {
            const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (socket < 0) return false;
            clients_.push_back({socket, setup_.requests, 0});
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u32 = static_cast<std::uint32_t>(i);
            if (connect(socket, server_.data(), static_cast<socklen_t>(server_.size())) != 0 ||
                epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0)
                return false;
        }
        for (Client& client : clients_)
            if (!send(client)) return false;
        return true;
    }
    static bool send(Client& client) {
        static constexpr std::array<char, kBytes> kRequest{};
        client.missing = kBytes;
        return ::send(client.socket, kRequest.data(), kBytes, MSG_NOSIGNAL) == static_cast<ssize_t>(kBytes);
    }
    static bool receive(Client& client) {
        std::array<char, kBytes> answer;
        const ssize_t got = recv(client.socket, answer.data(), client.missing, 0);
        if (got <= 0) return false;
        client.missing -= static_cast<std::size_t>(got);
        return true;
    }

    tcp::endpoint server_;
    bench::EchoSetup setup_;
    int epoll_ = -1;
    std::vector<Client> clients_;
};

tiffany::TelemetryOptions options(bool metrics) {
    tiffany::TelemetryOptions options;
    options.metrics = metrics;
    return options;
}

}  // namespace

bench::EchoSpent tiffany_echo_case(const bench::EchoSetup& setup) try {
    tiffany::asio::Telemetry telemetry{"echo", options(setup.metrics)};
    std::atomic<std::uint64_t> cpu_ns{0};
    bool answered = false;
    bench::EchoSpent spent;
    {
        asio::io_context context{kThreads};
        tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
        acceptor.listen(setup.connections);
        const tcp::endpoint server = acceptor.local_endpoint();
        tiffany::asio::co_spawn(context, telemetry, {.name = "listener"},
                                listen(acceptor, telemetry, setup.connections), detached);
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < kThreads; ++i)
            threads.emplace_back([&] {
                const std::uint64_t before = bench::cpu_ns();
                if (setup.plain_run)
                    context.run();
                else
                    tiffany::asio::run(context, telemetry);
                cpu_ns += bench::cpu_ns() - before;
            });
        const std::uint64_t before = bench::cpu_ns();
        answered = Clients{server, setup}.run();
        spent.clients_ns = static_cast<double>(bench::cpu_ns() - before);
        if (!answered) context.stop();
    }
    if (answered)
        spent.server_ns =
            static_cast<double>(cpu_ns.load()) / (static_cast<double>(setup.connections) * setup.requests);
    spent.transitions = telemetry.transitions();
    return spent;
} catch (const std::exception&) {
    return {};
}
