#include "scrape_cases.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <prometheus/collectable.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/telemetry/hooks.hpp>

#include "rounds.hpp"

namespace bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kBrokenClients = 1'000;

[[noreturn]] void fail(const char* why) {
    std::perror(why);
    std::exit(3);
}

double ms(SteadyClock::duration time) {
    return std::chrono::duration<double, std::milli>{time}.count();
}

// ---- clients ----

int connect_to(std::uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot connect");
    return fd;
}

/// The answer's size; 0 when it is no good one.
std::size_t scrape(std::uint16_t port) {
    static constexpr std::string_view kRequest = "GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    const int fd = connect_to(port);
    static constexpr std::string_view kGood = "HTTP/1.1 200";
    std::size_t size = 0;  // the text itself is not kept: that would be the client's time
    bool good = false;
    if (send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kRequest.size())) {
        char piece[65536];
        for (ssize_t bytes = 0; (bytes = recv(fd, piece, sizeof piece, 0)) > 0; size += static_cast<std::size_t>(bytes))
            if (size == 0) good = std::string_view{piece, static_cast<std::size_t>(bytes)}.starts_with(kGood);
    }
    close(fd);
    return good ? size : 0;
}

/// A thousand clients that never finish a request.
class Crowd {
  public:
    explicit Crowd(std::uint16_t port) : port_{port}, fds_(kBrokenClients, -1) {
        for (std::size_t i = 0; i < fds_.size(); ++i)
            open(i);
    }
    ~Crowd() {
        for (const int fd : fds_)
            close(fd);
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    /// What they do in a second, a tenth of them in each tenth.
    void act(std::size_t tenth) {
        for (std::size_t i = tenth; i < fds_.size(); i += 10) {
            char byte = 0;
            const bool closed = recv(fds_[i], &byte, 1, MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
            if (closed) {
                close(fds_[i]);
                open(i);
            } else if (i % 3 == 2) {
                say(i, "G");
            }
        }
    }

  private:
    void open(std::size_t i) {
        fds_[i] = connect_to(port_);
        if (i % 3 == 1) say(i, "GET /metrics HT");
    }
    void say(std::size_t i, std::string_view words) const {
        // whether it arrives does not matter
        static_cast<void>(send(fds_[i], words.data(), words.size(), MSG_NOSIGNAL));
    }

    std::uint16_t port_;
    std::vector<int> fds_;
};

/// A process that has a crowd, or none, as it is told: so that the crowd's memory is not the server's.
class CrowdProcess {
  public:
    /// Before the first thread of the process is made.
    CrowdProcess() {
        if (pipe(tell_) != 0 || pipe(answer_) != 0) fail("cannot make a pipe");
        child_ = fork();
        if (child_ < 0) fail("cannot fork");
        if (child_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            run();
        }
        close(tell_[0]);
        close(answer_[1]);
    }
    ~CrowdProcess() {
        close(tell_[1]);
        close(answer_[0]);
        waitpid(child_, nullptr, 0);
    }
    CrowdProcess(const CrowdProcess&) = delete;
    CrowdProcess& operator=(const CrowdProcess&) = delete;

    /// Returns when all of them are connected, or gone (port 0).
    void let(std::uint16_t port) const {
        char done = 0;
        if (write(tell_[1], &port, sizeof port) != sizeof port || read(answer_[0], &done, 1) != 1)
            fail("the broken clients' process ended");
    }

  private:
    [[noreturn]] void run() const {
        close(tell_[1]);
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        std::unique_ptr<Crowd> crowd;
        pollfd waits{tell_[0], POLLIN, 0};
        for (std::size_t tenth = 0;; tenth = (tenth + 1) % 10) {
            if (poll(&waits, 1, 100) != 1) {
                if (crowd) crowd->act(tenth);
                continue;
            }
            std::uint16_t port = 0;
            if (read(tell_[0], &port, sizeof port) != sizeof port) _exit(0);
            crowd.reset();
            if (port != 0) crowd = std::make_unique<Crowd>(port);
            if (write(answer_[1], "", 1) != 1) _exit(1);
        }
    }

    int tell_[2];
    int answer_[2];
    pid_t child_ = -1;
};

// ---- workers at full speed ----

/// Two threads that do nothing but transitions, and note for each slice of time what one costs them.
class Workers {
  public:
    Workers(tiffany::SchedulerTelemetry& telemetry, std::size_t slices) : telemetry_{telemetry} {
        for (int i = 0; i < 2; ++i) {
            seen_[i].resize(slices);
            threads_.emplace_back([this, i] {
                stay_on_cpu(i);
                work(seen_[i]);
            });
        }
    }
    ~Workers() { stop(); }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    void begin_slice(std::size_t slice) { slice_.store(static_cast<int>(slice), std::memory_order_relaxed); }
    /// What happens until the next slice is in none.
    void between_slices() { slice_.store(-1, std::memory_order_relaxed); }
    void stop() {
        slice_.store(kStop, std::memory_order_relaxed);
        threads_.clear();
    }
    /// Once they have stopped: whether any of them had a CPU.
    bool worked_in(std::size_t slice) const { return seen_[0][slice].transitions + seen_[1][slice].transitions != 0; }
    /// Once they have stopped: CPU ns for a transition, of both.
    double ns_of(std::size_t slice) const {
        Seen sum;
        for (const auto& mine : seen_) {
            sum.cpu_ns += mine[slice].cpu_ns;
            sum.transitions += mine[slice].transitions;
        }
        return static_cast<double>(sum.cpu_ns) / static_cast<double>(sum.transitions);
    }

  private:
    static constexpr int kStop = -2;
    struct Seen {
        std::uint64_t cpu_ns = 0;
        std::uint64_t transitions = 0;
    };

    void work(std::vector<Seen>& seen) {
        const tiffany::WorkerLease lease = telemetry_.worker();
        tiffany::TaskTimes task;
        lease->spawned(task, {.name = "bench"});
        int slice = -1;
        std::uint64_t since = 0;
        std::uint64_t fired = 0;
        while (slice != kStop) {
            for (int i = 0; i < 512; ++i) {
                lease->running(task);
                lease->yield(task);
            }
            fired += 2 * 512;
            const int now = slice_.load(std::memory_order_relaxed);
            if (now == slice) continue;
            const std::uint64_t cpu_ns = thread_cpu_ns();
            if (slice >= 0) seen[static_cast<std::size_t>(slice)] = {cpu_ns - since, fired};
            slice = now;
            since = cpu_ns;
            fired = 0;
        }
    }

    tiffany::SchedulerTelemetry& telemetry_;
    std::atomic<int> slice_{-1};
    std::vector<Seen> seen_[2];
    std::vector<std::jthread> threads_;
};

/// Pairs of slices of time, one disturbed and one not, which of them first by turns. Those in which no worker had a CPU
/// are left out.
/// @param before  called between slices with whether the next one is disturbed
/// @param during  called in a disturbed slice with its end
template <typename Before, typename During>
std::vector<TimePair> pace(tiffany::SchedulerTelemetry& telemetry, const Slices& slices, const Before& before,
                           const During& during) {
    const auto count = 2 * static_cast<std::size_t>(slices.pairs);
    const auto is_disturbed = [](std::size_t i) { return i % 4 == 0 || i % 4 == 3; };
    Workers workers{telemetry, count};
    for (std::size_t i = 0; i < count; ++i) {
        before(is_disturbed(i));
        const SteadyClock::time_point end = SteadyClock::now() + slices.each;
        workers.begin_slice(i);
        if (is_disturbed(i)) during(end);
        std::this_thread::sleep_until(end);
        workers.between_slices();
    }
    workers.stop();
    std::vector<TimePair> seen;
    for (std::size_t i = 0; i < count; i += 2) {
        const std::size_t disturbed = is_disturbed(i) ? i : i + 1;
        const std::size_t alone = 2 * i + 1 - disturbed;
        if (workers.worked_in(disturbed) && workers.worked_in(alone))
            seen.push_back({workers.ns_of(disturbed), workers.ns_of(alone)});
    }
    return seen;
}

/// What this process has in memory.
double resident_mib() {
    std::uint64_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> pages >> pages;
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double process_cpu_ms() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

/// A scheduler's metrics, served.
struct Served {
    tiffany::SchedulerTelemetry telemetry{"bench"};
    std::shared_ptr<prometheus::Collectable> metrics = tiffany::make_collectable(telemetry);
    tiffany::MetricsServer server{{.port = 0}};

    Served() { server.add(metrics); }
};

}  // namespace

std::vector<TimePair> pace_under_scrapes(const Slices& slices) {
    Served served;
    const std::uint16_t port = served.server.port();
    return pace(
        served.telemetry, slices, [](bool) {},
        [port](SteadyClock::time_point end) {
            for (auto next = SteadyClock::now(); next < end; next += 50ms) {
                std::this_thread::sleep_until(next);
                if (scrape(port) == 0) fail("a scrape was not answered");
            }
        });
}

BrokenClients pace_under_broken_clients(const Slices& slices) {
    const CrowdProcess crowd;
    Served served;
    const std::uint16_t port = served.server.port();
    if (scrape(port) == 0) fail("a scrape was not answered");
    const double before_mib = resident_mib();
    BrokenClients seen{{}, {}, 0};
    seen.pace = pace(
        served.telemetry, slices, [&](bool disturbed) { crowd.let(disturbed ? port : std::uint16_t{0}); },
        [&](SteadyClock::time_point end) {
            for (auto next = SteadyClock::now(); next < end; next += 100ms) {
                std::this_thread::sleep_until(next);
                const SteadyClock::time_point asked = SteadyClock::now();
                if (scrape(port) == 0) fail("a scrape was not answered");
                seen.scrape_ms.push_back(ms(SteadyClock::now() - asked));
                seen.grown_mib = std::max(seen.grown_mib, resident_mib() - before_mib);
            }
        });
    crowd.let(0);  // before the port is closed
    return seen;
}

ScrapeTimes scrape_times(int schedulers, int workers, int scrapes) {
    std::vector<std::unique_ptr<tiffany::SchedulerTelemetry>> telemetry;
    std::vector<std::shared_ptr<prometheus::Collectable>> metrics;
    tiffany::MetricsServer server{{.port = 0}};
    for (int i = 0; i < schedulers; ++i) {
        telemetry.push_back(std::make_unique<tiffany::SchedulerTelemetry>("scheduler " + std::to_string(i)));
        metrics.push_back(tiffany::make_collectable(*telemetry.back()));
        server.add(metrics.back());
    }
    std::latch ready{schedulers * workers};
    std::latch end{1};
    std::vector<std::jthread> threads;
    for (const auto& scheduler : telemetry)
        for (int i = 0; i < workers; ++i)
            threads.emplace_back([&] {
                const tiffany::WorkerLease lease = scheduler->worker();
                tiffany::TaskTimes task;
                lease->spawned(task, {.name = "bench"});
                lease->running(task);
                lease->sleep(task, 0);
                lease->park();
                ready.count_down();
                end.wait();
                lease->unpark();
            });
    ready.wait();
    ScrapeTimes seen{{}, {}, 0};
    for (int i = 0; i < scrapes; ++i) {
        std::this_thread::sleep_for(20ms);  // a scraper that comes now and then finds no warm caches
        const double cpu_ms = process_cpu_ms();
        const SteadyClock::time_point asked = SteadyClock::now();
        const std::size_t bytes = scrape(server.port());
        seen.wall_ms.push_back(ms(SteadyClock::now() - asked));
        seen.cpu_ms.push_back(process_cpu_ms() - cpu_ms);
        if (bytes == 0) fail("a scrape was not answered");
        seen.page_kib = static_cast<double>(bytes) / 1024;
    }
    end.count_down();
    return seen;
}

}  // namespace bench
