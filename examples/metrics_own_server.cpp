// A program that has an HTTP server of its own, here the smallest there can be: the page of the metrics is a string.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/telemetry/hooks.hpp>

struct Answer {
    std::string status;
    std::string type;
    std::string body;
};

// One request after the other, on any free port, until the program ends.
template <typename Handler>
int serve(const Handler& handler) {
    const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listening, any, bytes) != 0 || listen(listening, 8) != 0 || getsockname(listening, any, &bytes) != 0)
        return 1;
    std::cout << "metrics on http://127.0.0.1:" << ntohs(address.sin_port) << "/metrics" << std::endl;
    for (;;) {
        const int connection = accept(listening, nullptr, nullptr);
        if (connection < 0) return 1;
        char request[4096];
        const ssize_t read = recv(connection, request, sizeof request, 0);
        const std::string line{request, read > 0 ? static_cast<std::size_t>(read) : 0};
        const Answer answer = handler(line.substr(0, line.find("\r\n")));
        const std::string text = "HTTP/1.1 " + answer.status + "\r\nContent-Type: " + answer.type +
                                 "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                                 "\r\nConnection: close\r\n\r\n" + answer.body;
        for (std::size_t sent = 0; sent < text.size();) {
            const ssize_t more = send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
            if (more <= 0) break;
            sent += static_cast<std::size_t>(more);
        }
        close(connection);
    }
}

int main() {
    tiffany::SchedulerTelemetry telemetry{"jobs"};
    const auto metrics = tiffany::make_collectable(telemetry);
    const auto process = tiffany::make_process_collectable();
    tiffany::TaskTimes task;
    telemetry.here().spawned(task, {.name = "only task"});
    telemetry.here().running(task);
    telemetry.here().done(task);
    return serve([&](const std::string& request) -> Answer {
        if (!request.starts_with("GET /metrics ")) return {"404 Not Found", "text/plain", "see /metrics\n"};
        // [docs/metrics.md]
        try {
            return {"200 OK", tiffany::kScrapeType, tiffany::scrape_text({metrics, process})};
        } catch (const std::exception& error) {  // another one's collectable, or no memory: this scrape is lost
            return {"500 Internal Server Error", "text/plain", error.what()};
        }
        // [docs/metrics.md]
    });
}
