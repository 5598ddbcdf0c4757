// What the header promises to a program that has a prometheus::Exposer. A prometheus::Registry holds only families that
// it made itself, so a scheduler's collectable stands beside it, in the exposer.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/hooks.hpp>

namespace tiffany {
namespace {

std::string scrape(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    std::string answer;
    char piece[4096];
    for (ssize_t bytes = 0; (bytes = recv(fd, piece, sizeof piece, 0)) > 0;)
        answer.append(piece, static_cast<std::size_t>(bytes));
    close(fd);
    return answer;
}

TEST(Exposer, ServesASchedulerBesideTheProgramsOwnRegistry) {
    setenv("TIFFANY_LTTNG", "0", 1);
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::BuildCounter().Name("requests_total").Register(*registry).Add({{"of", "mine"}}).Increment(3);
    auto telemetry = std::make_unique<SchedulerTelemetry>("exposed");
    TaskTimes task;
    telemetry->here().spawned(task, {.name = "t"});
    const auto metrics = make_collectable(*telemetry);

    prometheus::Exposer exposer{"127.0.0.1:0"};
    exposer.RegisterCollectable(registry);
    exposer.RegisterCollectable(metrics);

    const std::string spawned = "task_transitions_total{scheduler=\"exposed\",event=\"Spawned\"} 1";
    const std::string answer = scrape(exposer.GetListeningPorts().at(0));
    EXPECT_NE(answer.find(spawned), std::string::npos) << answer;
    EXPECT_NE(answer.find("requests_total{of=\"mine\"} 3"), std::string::npos) << answer;

    telemetry.reset();
    const std::string after = scrape(exposer.GetListeningPorts().at(0));
    EXPECT_EQ(after.find("exposed"), std::string::npos) << "the scheduler is gone";
    EXPECT_NE(after.find("requests_total{of=\"mine\"} 3"), std::string::npos) << after;
}

}  // namespace
}  // namespace tiffany
