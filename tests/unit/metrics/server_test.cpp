// The HTTP server, over real sockets on the loopback.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/metrics/server.hpp>
#include <utility>
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
    /// What the server says until it closes; nothing if it did not after 20 s of silence.
    std::optional<std::string> read_all() const {
        std::string got;
        char piece[4096];
        pollfd waits{fd_, POLLIN, 0};
        while (poll(&waits, 1, 20'000) == 1) {
            const ssize_t bytes = recv(fd_, piece, sizeof piece, 0);
            if (bytes <= 0) return got;
            got.append(piece, static_cast<std::size_t>(bytes));
        }
        return std::nullopt;
    }
    /// Whether something comes, or the server closes, within the time.
    bool hears(int timeout_ms) const {
        pollfd waits{fd_, POLLIN, 0};
        return poll(&waits, 1, timeout_ms) == 1;
    }
    /// The next byte, if there is one.
    std::optional<char> read_byte() const {
        char byte = 0;
        return recv(fd_, &byte, 1, MSG_DONTWAIT) == 1 ? std::optional{byte} : std::nullopt;
    }
    /// Whether it could be sent.
    bool trickle(char byte) const { return send(fd_, &byte, 1, MSG_NOSIGNAL) == 1; }

  private:
    int fd_;
};

std::string ask(std::uint16_t port, const std::string& first_line) {
    const Client client{port};
    client.send_text(first_line + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    return client.read_all().value_or("no answer");
}

bool answers(const MetricsServer& server) {
    return ask(server.port(), "GET /metrics").rfind("HTTP/1.1 200", 0) == 0;
}

std::vector<std::unique_ptr<Client>> silent_clients(std::uint16_t port, int count) {
    std::vector<std::unique_ptr<Client>> silent;
    for (int i = 0; i < count; ++i) {
        silent.push_back(std::make_unique<Client>(port));
        silent.back()->send_text("GET /metr");
    }
    return silent;
}

/// Polls the condition for as long as a minute.
template <typename Condition>
bool comes_true(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        usleep(10'000);
    }
    return true;
}

/// The sockets that this process has open: the server's and the clients'.
std::ptrdiff_t open_sockets() {
    std::ptrdiff_t sockets = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;  // the one of the iterator itself, or one that was just closed
        if (std::filesystem::read_symlink(entry.path(), gone).string().rfind("socket:", 0) == 0) ++sockets;
    }
    return sockets;
}

/// While it lives this process can open one more descriptor.
class OneDescriptorLeft {
  public:
    OneDescriptorLeft() {
        getrlimit(RLIMIT_NOFILE, &before_);
        const int next = dup(STDERR_FILENO);
        close(next);
        const rlimit one_more{static_cast<rlim_t>(next) + 1, before_.rlim_max};
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &one_more), 0);
    }
    ~OneDescriptorLeft() { setrlimit(RLIMIT_NOFILE, &before_); }
    OneDescriptorLeft(const OneDescriptorLeft&) = delete;
    OneDescriptorLeft& operator=(const OneDescriptorLeft&) = delete;

  private:
    rlimit before_{};
};

std::chrono::nanoseconds cpu_time() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
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

TEST_F(Server, AProgramThatIsOutOfDescriptorsKeepsItsCpuAndAnswersWhenItHasOne) {
    std::optional<Client> client;
    {
        const OneDescriptorLeft its;
        client.emplace(server.port());
        client->send_text("GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        const auto before = cpu_time();
        EXPECT_FALSE(client->hears(1000)) << "there is no descriptor for it";
        EXPECT_LT(cpu_time() - before, std::chrono::milliseconds{200});
    }
    EXPECT_EQ(client->read_all().value_or("no answer").rfind("HTTP/1.1 200", 0), 0u);
    EXPECT_TRUE(answers(server));
}

TEST_F(Server, BeginsAndEndsInAThreadThatIsToBeCancelled) {
    struct Thread {
        // of its own: AddressSanitizer is not told that a frame which is cancelled goes
        [[gnu::noinline]] static void begin_and_end() { const MetricsServer ends{{.port = 0}}; }
        static void* run(void* came_through) {
            pthread_cancel(pthread_self());
            begin_and_end();
            *static_cast<bool*>(came_through) = true;
            pthread_testcancel();
            return nullptr;
        }
    };
    bool came_through = false;
    pthread_t thread{};
    ASSERT_EQ(pthread_create(&thread, nullptr, &Thread::run, &came_through), 0);
    void* result = nullptr;
    pthread_join(thread, &result);
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_TRUE(came_through);
}

TEST_F(Server, ServesTheTextFormat) {
    const std::string answer = ask(server.port(), "GET /metrics");
    EXPECT_EQ(answer.rfind("HTTP/1.1 200", 0), 0u) << answer;
    EXPECT_NE(answer.find("text/plain; version=0.0.4"), std::string::npos);
    EXPECT_NE(answer.find("scheduler_ready_queue_depth{scheduler=\"served\"} 0"), std::string::npos);
}

template <typename Given>
concept Addable = requires(MetricsServer server, Given&& given) {
    server.add(std::forward<Given>(given));
};

// a temporary that only the server would know, and it weakly, is served by nobody
static_assert(Addable<std::shared_ptr<prometheus::Collectable>&>);
static_assert(!Addable<std::shared_ptr<prometheus::Collectable>>);
static_assert(!Addable<const std::shared_ptr<prometheus::Collectable>>);
static_assert(Addable<const std::shared_ptr<prometheus::Registry>&>);
static_assert(!Addable<std::shared_ptr<prometheus::Registry>>);
static_assert(Addable<std::weak_ptr<prometheus::Collectable>>);

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
    EXPECT_NE(ask(server.port(), "POST /metrics").find("\r\nAllow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(Server, SchedulersWithOneNameAreToldAsOneAndTheOtherGoesOnWhenOneDied) {
    auto first = std::make_unique<SchedulerTelemetry>("twin");
    const SchedulerTelemetry second{"twin"};
    TaskTimes tasks[2];
    for (TaskTimes& task : tasks)
        first->here().spawned(task, {.name = "t"});
    const auto of_first = make_collectable(*first);
    const auto of_second = make_collectable(second);
    server.add(of_first);
    server.add(of_second);
    const std::string depth = "scheduler_ready_queue_depth{scheduler=\"twin\"} ";
    const std::string both = ask(server.port(), "GET /metrics");
    const std::size_t series = both.find(depth);
    ASSERT_NE(series, std::string::npos) << both;
    EXPECT_EQ(both.compare(series, depth.size() + 1, depth + "2"), 0) << both;
    EXPECT_EQ(both.find(depth, series + 1), std::string::npos) << "the text format wants each series once";
    first.reset();
    const std::string after = ask(server.port(), "GET /metrics");
    EXPECT_NE(after.find(depth + "0"), std::string::npos) << after;
    EXPECT_NE(after.find("task_transitions_total{scheduler=\"twin\",event=\"Spawned\"} 2"), std::string::npos) << after;
}

TEST_F(Server, ServesTheProgramsOwnRegistryBesideTheSchedulers) {
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::BuildCounter().Name("requests_total").Register(*registry).Add({{"of", "mine"}}).Increment(3);
    server.add(registry);
    const std::string answer = ask(server.port(), "GET /metrics");
    EXPECT_NE(answer.find("requests_total{of=\"mine\"} 3"), std::string::npos) << answer;
    EXPECT_NE(answer.find("scheduler_workers{scheduler=\"served\"}"), std::string::npos) << answer;
}

struct Throwing : prometheus::Collectable {
    mutable int times = 0;
    std::vector<prometheus::MetricFamily> Collect() const override {
        ++times;
        if (times == 1) throw std::runtime_error{"the database is away"};
        if (times == 2) throw 2;
        if (times == 3) throw std::bad_alloc{};  // memory runs out in it
        return {};
    }
};

TEST_F(Server, ACollectableThatThrowsCostsThatScrapeOnly) {
    const auto throwing = std::make_shared<Throwing>();
    server.add(throwing);
    for (int i = 0; i < 3; ++i) {
        const std::string failed = ask(server.port(), "GET /metrics");
        EXPECT_EQ(failed.rfind("HTTP/1.1 500", 0), 0u) << failed;
        EXPECT_EQ(failed.find("scheduler_workers"), std::string::npos) << "half a page";
    }
    EXPECT_TRUE(answers(server));
    EXPECT_EQ(throwing->times, 4);
}

TEST_F(Server, TellsThatItIsHealthyAndCollectsNothingForIt) {
    const auto throwing = std::make_shared<Throwing>();
    server.add(throwing);
    const std::string answer = ask(server.port(), "GET /healthz");
    EXPECT_EQ(answer.rfind("HTTP/1.1 200", 0), 0u) << answer;
    EXPECT_EQ(throwing->times, 0);
}

TEST_F(Server, TheTextOfAScrapeIsWhatItServes) {
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::BuildCounter().Name("requests_total").Register(*registry).Add({{"of", "mine"}}).Increment(3);
    const std::string text = scrape_text({registry, nullptr, registry});
    const std::string series = "requests_total{of=\"mine\"} 3\n";
    ASSERT_NE(text.find(series), std::string::npos) << text;
    EXPECT_EQ(text.find(series), text.rfind(series)) << "each series once";
    MetricsServer other{{.port = 0}};
    other.add(registry);
    const std::string answer = ask(other.port(), "GET /metrics");
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), text);
    EXPECT_NE(answer.find(kScrapeType), std::string::npos);
    EXPECT_THROW(scrape_text({std::make_shared<Throwing>()}), std::runtime_error);
}

TEST_F(Server, SilentClientsBlockNobodyHoweverManyThereAre) {
    for (const int clients : {1, 4, 5, 40}) {
        const MetricsServer small{{.port = 0, .connections = 4, .timeout_s = 0}};
        const auto silent = silent_clients(small.port(), clients);
        EXPECT_TRUE(answers(small)) << clients << " silent clients";
    }
}

TEST_F(Server, ManyAtOnceBlockNobodyEither) {
    struct Blocking : prometheus::Collectable {
        mutable std::latch entered{1};
        std::latch leave{1};
        std::vector<prometheus::MetricFamily> Collect() const override {
            entered.count_down();
            leave.wait();
            return {};
        }
    };
    MetricsServer small{{.port = 0, .connections = 4, .timeout_s = 0}};
    auto blocking = std::make_shared<Blocking>();
    small.add(blocking);
    const auto before = silent_clients(small.port(), 3);
    const Client first{small.port()};
    first.send_text("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    blocking->entered.wait();
    // all of them wait in the backlog, so that it accepts as many as it can before it looks at any
    const auto silent = silent_clients(small.port(), 50);
    blocking->leave.count_down();
    EXPECT_TRUE(first.read_all().has_value()) << "answered, or closed for one of the others";
    blocking.reset();
    EXPECT_TRUE(answers(small));
}

TEST_F(Server, TheOldestConnectionMakesRoomForANewOne) {
    const MetricsServer small{{.port = 0, .connections = 2, .timeout_s = 0}};
    const auto silent = silent_clients(small.port(), 3);
    EXPECT_EQ(silent[0]->read_all(), "") << "closed, without a word";
    silent[2]->send_text("ics HTTP/1.1\r\nHost: here\r\n\r\n");
    EXPECT_EQ(silent[2]->read_all().value_or("no answer").rfind("HTTP/1.1 200", 0), 0u);
    EXPECT_FALSE(silent[1]->hears(0)) << "there was room for it all the time";
}

TEST_F(Server, ASilentClientIsClosedAfterTheTimeOut) {
    const MetricsServer hasty{{.port = 0, .timeout_s = 1}};
    const auto start = std::chrono::steady_clock::now();
    const auto silent = silent_clients(hasty.port(), 1);
    EXPECT_EQ(silent[0]->read_all(), "") << "closed, without a word";
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds{1}) << "not before";
    EXPECT_TRUE(answers(hasty));
}

TEST_F(Server, AClientThatSendsAByteNowAndThenHasNoMoreTime) {
    const MetricsServer hasty{{.port = 0, .timeout_s = 1}};
    const auto slow = silent_clients(hasty.port(), 1);
    EXPECT_TRUE(comes_true([&] { return !slow[0]->trickle('i') || slow[0]->hears(0); }));
}

TEST_F(Server, AClientThatReadsAByteNowAndThenHasNoMoreTime) {
    const auto large = std::make_shared<prometheus::Registry>();
    const std::string help(16 << 20, 'h');  // more than both ends' buffers hold
    prometheus::BuildCounter().Name("large_total").Help(help).Register(*large).Add({});
    MetricsServer hasty{{.port = 0, .timeout_s = 5}};  // time enough to see it open
    hasty.add(large);
    const std::ptrdiff_t before = open_sockets();
    const Client slow{hasty.port()};
    slow.send_text("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    ASSERT_TRUE(slow.hears(20'000));
    EXPECT_EQ(open_sockets(), before + 2);
    EXPECT_TRUE(comes_true([&] { return slow.read_byte().has_value() && open_sockets() == before + 1; }));
}

/// What this process has in memory, bytes.
std::int64_t resident_bytes() {
    std::int64_t all = 0;
    std::int64_t resident = 0;
    std::ifstream{"/proc/self/statm"} >> all >> resident;
    return resident * sysconf(_SC_PAGESIZE);
}

/// A thread that does nothing but transitions until this dies.
class BusyWorker {
  public:
    explicit BusyWorker(SchedulerTelemetry& telemetry) : thread_{[this, &telemetry] { work(telemetry); }} {}
    ~BusyWorker() { end(); }
    BusyWorker(const BusyWorker&) = delete;
    BusyWorker& operator=(const BusyWorker&) = delete;

    std::uint64_t transitions() const { return transitions_.load(std::memory_order_relaxed); }
    /// Ends it. How often it gave its CPU away while it worked, to wait for something.
    long waits() {
        end();
        return waits_;
    }

  private:
    static long voluntary_switches() {
        rusage used{};
        getrusage(RUSAGE_THREAD, &used);
        return used.ru_nvcsw;
    }
    void work(SchedulerTelemetry& telemetry) {
        const WorkerLease lease = telemetry.worker();
        TaskTimes task;
        lease->spawned(task, {.name = "busy"});
        const long before = voluntary_switches();
        while (!stop_.load(std::memory_order_relaxed)) {
            lease->running(task);
            lease->yield(task);
            transitions_.store(lease->seq(), std::memory_order_relaxed);
        }
        waits_ = voluntary_switches() - before;
    }
    void end() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }

    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> transitions_{0};
    long waits_ = 0;
    std::thread thread_;
};

// How much of its pace a worker keeps is measured in tests/bench: here it is that it goes on, and never waits.
TEST_F(Server, AThousandBrokenClientsKeepNeitherAScrapeNorAWorkerWaitingNorTakeMuchMemory) {
    constexpr int kClients = 1'000;
    rlimit files{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2 * kClients) {
        if (files.rlim_max < 2 * kClients) GTEST_SKIP() << "no more than " << files.rlim_max << " descriptors here";
        files.rlim_cur = 2 * kClients;
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    }
    // long: a scrape that waits until others have run out of time is not in time
    MetricsServer attacked{{.port = 0, .timeout_s = 60}};
    attacked.add(metrics);
    BusyWorker worker{telemetry};
    ASSERT_TRUE(comes_true([&] { return worker.transitions() != 0; }));
    ASSERT_TRUE(answers(attacked)) << "what the first scrape needs is not the clients'";
    [[maybe_unused]] const std::int64_t before = resident_bytes();
    std::vector<std::unique_ptr<Client>> broken;
    int scrapes = 0;
    const auto within_5_s = [&] {
        ++scrapes;
        const auto start = std::chrono::steady_clock::now();
        EXPECT_TRUE(answers(attacked)) << broken.size() << " broken clients";
        return std::chrono::steady_clock::now() - start < std::chrono::seconds{5};
    };
    const auto scrape_in_time = [&] {
        const std::uint64_t transitions = worker.transitions();
        // a machine may stand still, but hardly for two times in a row
        EXPECT_TRUE(within_5_s() || within_5_s()) << broken.size() << " broken clients";
        EXPECT_TRUE(comes_true([&] { return worker.transitions() != transitions; })) << "the worker stands still";
    };
    const auto half_a_request = [](int i) { return i % 3 == 1; };
    const auto a_byte_now_and_then = [](int i) { return i % 3 == 2; };  // all others are silent
    for (int i = 0; i < kClients; ++i) {
        broken.push_back(std::make_unique<Client>(attacked.port()));
        if (half_a_request(i)) broken.back()->send_text("GET /metrics HT");
        if (i % 100 == 99) scrape_in_time();
    }
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < kClients; ++i)  // no matter whether it was closed
            if (a_byte_now_and_then(i)) broken[static_cast<std::size_t>(i)]->trickle('G');
        scrape_in_time();
    }
    EXPECT_LE(open_sockets(), kClients + 2 + 64 + 10) << "the server holds no more than it was allowed";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_LE(resident_bytes() - before, 16 << 20);
    // a lock that a scrape has would be waited for once in each; a page that the kernel took now and then is, too
    EXPECT_LT(worker.waits(), scrapes / 4) << "a worker waits for no lock, and in no system call";
#endif
}

TEST_F(Server, NoConnectionAtAllIsAnError) {
    EXPECT_THROW((MetricsServer{{.port = 0, .connections = 0}}), std::runtime_error);
}

TEST_F(Server, AForkedChildLeavesTheParentsAloneAndGivesThePortBack) {
    auto shared = std::make_unique<MetricsServer>(ServerOptions{.port = 0});
    const std::uint16_t port = shared->port();
    int ended[2];
    int go[2];
    ASSERT_EQ(pipe(ended), 0);
    ASSERT_EQ(pipe(go), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    char byte = 0;
    if (child == 0) {
        shared->add(metrics);
        shared.reset();
        close(go[1]);
        const bool told = write(ended[1], "e", 1) == 1;
        const bool asked = read(go[0], &byte, 1) == 0;
        _exit(told && asked ? 0 : 1);
    }
    ASSERT_EQ(read(ended[0], &byte, 1), 1);
    for (int i = 0; i < 2; ++i)
        EXPECT_TRUE(answers(*shared)) << "the child has ended its own";
    shared.reset();
    EXPECT_NO_THROW(MetricsServer{{.port = port}}) << "the child lives, and holds the port no more";
    close(go[1]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    for (const int fd : {ended[0], ended[1], go[0]})
        close(fd);
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
