#include "echo.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace tiffany::demo {
namespace {

std::system_error failure(const char* what, int error = errno) {
    return std::system_error{error, std::system_category(), what};
}

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

FileDescriptor new_socket() {
    FileDescriptor made{socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (made.get() < 0) throw failure("cannot make a socket");
    return made;
}

Task<> send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (would_block()) {
            co_await writable(fd);
        } else {
            throw failure("cannot send");
        }
    }
}

/// What came, at most what fits; 0 = the other side has ended.
Task<std::size_t> receive(int fd, std::span<char> into) {
    for (;;) {
        const ssize_t got = recv(fd, into.data(), into.size(), 0);
        if (got >= 0) co_return static_cast<std::size_t>(got);
        if (!would_block()) throw failure("cannot receive");
        co_await readable(fd);
    }
}

Task<> session(FileDescriptor client) {
    std::array<char, 512> buffer{};
    for (;;) {
        const std::size_t got = co_await receive(client.get(), buffer);
        if (got == 0) co_return;
        co_await send_all(client.get(), {buffer.data(), got});
    }
}

Task<> connect_to(int fd, std::uint16_t port) {
    const sockaddr_in address = loopback(port);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) co_return;
    if (errno != EINPROGRESS) throw failure("cannot connect");
    co_await writable(fd);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) throw failure("cannot connect", error);
}

}  // namespace

Listener listen_on_loopback() {
    Listener listener{new_socket(), 0};
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener.socket.get(), any, size) != 0 || listen(listener.socket.get(), SOMAXCONN) != 0 ||
        getsockname(listener.socket.get(), any, &size) != 0)
        throw failure("cannot listen on 127.0.0.1");
    listener.port = ntohs(address.sin_port);
    return listener;
}

Task<> serve(const Listener& listener, std::uint16_t group) {
    SchedulerBase& scheduler = co_await this_scheduler();
    SpawnOptions options;
    options.name = "echo session";
    options.group = group;
    for (;;) {
        FileDescriptor client{accept4(listener.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (client.get() >= 0) {
            scheduler.spawn(options, session(std::move(client)));
        } else if (would_block()) {
            co_await readable(listener.socket.get());
        } else if (errno != ECONNABORTED) {  // that one is gone, the next may be there
            throw failure("cannot accept a client");
        }
    }
}

Task<> chat(std::uint16_t port, int number, std::chrono::nanoseconds pause, const bool& stop, std::uint64_t& answered) {
    const FileDescriptor socket = new_socket();
    co_await connect_to(socket.get(), port);
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::array<char, 512> buffer{};
    for (int message = 0; message == 0 || !stop; ++message) {
        const std::string request = std::to_string(number) + '-' + std::to_string(message);
        note("request", request);
        const std::string line = "request " + request + "\n";
        co_await send_all(socket.get(), line);
        std::string echo;
        while (echo.size() < line.size()) {
            const std::size_t got = co_await receive(socket.get(), buffer);
            if (got == 0) throw std::runtime_error{"the echo ended too early"};
            echo.append(buffer.data(), got);
        }
        if (echo != line) throw std::runtime_error{"the echo is not what was sent"};
        ++answered;
        co_await sleep_for(pause);
    }
}

}  // namespace tiffany::demo
