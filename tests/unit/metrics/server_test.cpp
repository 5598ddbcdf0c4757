// The HTTP server, over real sockets on the loopback.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <vector>

namespace tiffany {
namespace {

class Client {
  public:
    explicit Client(std::uint16_t port) : fd_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ADD_FAILURE() << "no connection";
    }
    ~Client() { close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send_text(const std::string& text) const {
        EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    /// What the server says until it closes; empty after 20 s of silence.
    std::string read_all() const {
        std::string got;
        char piece[4096];
        pollfd waits{fd_, POLLIN, 0};
        while (poll(&waits, 1, 20'000) == 1) {
            const ssize_t bytes = recv(fd_, piece, sizeof piece, 0);
            if (bytes <= 0) return got;
            got.append(piece, static_cast<std::size_t>(bytes));
        }
        return {};
    }

  private:
    int fd_;
};

std::string ask(std::uint16_t port, const std::string& first_line) {
    const Client client{port};
    client.send_text(first_line + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    return client.read_all();
}

class Server : public ::testing::Test {
  protected:
    SchedulerTelemetry telemetry{"served"};
    std::shared_ptr<prometheus::Collectable> metrics = make_collectable(telemetry);
    MetricsServer server{{.port = 0}};

    static void SetUpTestSuite() { setenv("TIFFANY_LTTNG", "0", 1); }
    void SetUp() override { server.add(metrics); }
};

TEST_F(Server, TellsThePortThatItGot) {
    EXPECT_NE(server.port(), 0);
    EXPECT_EQ(server.url(), "http://127.0.0.1:" + std::to_string(server.port()) + "/metrics");
}

TEST_F(Server, ServesTheTextFormat) {
    const std::string answer = ask(server.port(), "GET /metrics");
    EXPECT_EQ(answer.rfind("HTTP/1.1 200", 0), 0u) << answer;
    EXPECT_NE(answer.find("text/plain; version=0.0.4"), std::string::npos);
    EXPECT_NE(answer.find("scheduler_ready_queue_depth{scheduler=\"served\"} 0"), std::string::npos);
}

TEST_F(Server, TwoSchedulersShareTheirFamilies) {
    const SchedulerTelemetry other{"other"};
    const auto others = make_collectable(other);
    server.add(others);
    const std::string answer = ask(server.port(), "GET /metrics");
    const std::string type = "# TYPE scheduler_workers gauge";
    const std::size_t first = answer.find(type);
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(answer.find(type, first + 1), std::string::npos) << "the text format wants each name once";
    EXPECT_NE(answer.find("scheduler_workers{scheduler=\"other\"}"), std::string::npos);
}

TEST_F(Server, AnythingElseIsRefusedAndNamesThePath) {
    EXPECT_EQ(ask(server.port(), "GET /").rfind("HTTP/1.1 404", 0), 0u);
    EXPECT_EQ(ask(server.port(), "DELETE /metrics").rfind("HTTP/1.1 405", 0), 0u);
    EXPECT_NE(ask(server.port(), "GET /").find("/metrics"), std::string::npos);
}

TEST_F(Server, SilentClientsBlockNobody) {
    std::vector<std::unique_ptr<Client>> silent;
    for (int i = 0; i < 20; ++i) {
        silent.push_back(std::make_unique<Client>(server.port()));
        silent.back()->send_text("GET /metr");
    }
    EXPECT_EQ(ask(server.port(), "GET /metrics").rfind("HTTP/1.1 200", 0), 0u);
}

TEST_F(Server, ASilentClientIsClosedAfterTheTimeOut) {
    MetricsServer hasty{{.port = 0, .timeout_s = 1}};
    const Client silent{hasty.port()};
    silent.send_text("GET /metr");
    const std::string got = silent.read_all();  // ends when the server closes, long before its own patience
    EXPECT_EQ(got.find("200 OK"), std::string::npos);
    EXPECT_EQ(ask(hasty.port(), "GET /metrics").rfind("HTTP/1.1 200", 0), 0u);
}

TEST_F(Server, APortThatIsTakenIsAnErrorThatNamesIt) {
    try {
        const MetricsServer second{{.port = server.port()}};
        FAIL() << "two servers on one port";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string{error.what()}.find(std::to_string(server.port())), std::string::npos) << error.what();
        EXPECT_NE(std::string{error.what()}.find("in use"), std::string::npos) << error.what();
    }
}

TEST_F(Server, TheEnvironmentOpensOneOnlyWhenItAsks) {
    unsetenv("TIFFANY_METRICS");
    EXPECT_EQ(MetricsServer::from_environment(), nullptr);
    setenv("TIFFANY_METRICS", "127.0.0.1:0", 1);
    EXPECT_NE(MetricsServer::from_environment(), nullptr);
    setenv("TIFFANY_METRICS", ":0", 1);
    EXPECT_NE(MetricsServer::from_environment(), nullptr);
    for (const char* wrong : {"9464", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "here:1"}) {
        setenv("TIFFANY_METRICS", wrong, 1);
        EXPECT_THROW(MetricsServer::from_environment(), std::runtime_error) << wrong;
    }
    unsetenv("TIFFANY_METRICS");
}

}  // namespace
}  // namespace tiffany
