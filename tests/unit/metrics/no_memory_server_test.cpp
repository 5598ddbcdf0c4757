// A server that runs out of memory, over real sockets on the loopback. A program of its own, because it has the
// allocator of all of it.

#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

#include "scrape.hpp"

namespace {

thread_local bool is_the_servers = false;  // this thread
std::atomic<long> allocations_left{-1};    // of that thread, until one fails; -1: none does
std::atomic<bool> stays_out{false};        // after that one each fails
std::atomic<int> refused{0};

bool is_refused() noexcept {
    if (!is_the_servers) return false;
    long left = allocations_left.load();
    if (left < 0) return false;
    if (left > 0) {
        allocations_left = left - 1;
        return false;
    }
    if (!stays_out) allocations_left = -1;
    ++refused;
    return true;
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // whose malloc is their own: C++'s allocations alone
void* operator new(std::size_t bytes) {
    void* const memory = is_refused() ? nullptr : std::malloc(bytes);
    if (memory == nullptr) throw std::bad_alloc{};
    return memory;
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
#else  // libmicrohttpd's, too
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): glibc's own names
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(std::size_t bytes) noexcept {
    return is_refused() ? nullptr : __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
    return is_refused() ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
    return is_refused() ? nullptr : __libc_realloc(memory, bytes);
}
}
#endif

namespace tiffany {
namespace {

/// Tells which thread is the server's.
struct Marks : prometheus::Collectable {
    std::vector<prometheus::MetricFamily> Collect() const override {
        is_the_servers = true;
        return {};
    }
};

std::size_t families_in(const std::string& page) {
    std::size_t found = 0;
    for (std::size_t at = page.find("# TYPE "); at != std::string::npos; at = page.find("# TYPE ", at + 1))
        ++found;
    return found;
}

bool is_good(const std::string& answer) {
    return answer.rfind("HTTP/1.1 200", 0) == 0;
}

/// How often each answer came.
struct Answers {
    int whole = 0;
    int errors = 0;  // 500
    int closed = 0;  // without a word
};

class NoMemoryServer : public testing::TestWithParam<bool> {
  protected:
    NoMemoryServer() {
        setenv("TIFFANY_LTTNG", "0", 1);
        server.add(marks);
        server.add(metrics);
        server.add(process);
    }

    /// Allocations of a connection and of the request's reading: those of an answer which is made ahead.
    long of_a_connection() const {
        constexpr long kMany = 1'000'000;
        allocations_left = kMany;
        const std::string answer = scrape(server.port(), "/healthz");
        EXPECT_TRUE(is_good(answer)) << answer;
        return kMany - allocations_left.exchange(-1);
    }

    /// Asks once with room for so many allocations. Whether one was refused.
    bool ask_with(long most, std::size_t whole, Answers& answers) {
        refused = 0;
        allocations_left = most;
        const std::string answer = scrape(server.port());
        allocations_left = -1;
        if (refused == 0) {
            EXPECT_TRUE(is_good(answer)) << answer;
            return false;
        }
        if (is_good(answer)) {
            EXPECT_EQ(families_in(answer), whole) << "allocation " << most << " failed";
            ++answers.whole;
        } else if (answer.empty()) {
            ++answers.closed;
        } else {
            EXPECT_EQ(answer.rfind("HTTP/1.1 500", 0), 0u) << answer;
            EXPECT_EQ(families_in(answer), 0u) << "half a page";
            ++answers.errors;
        }
        return true;
    }

    const SchedulerTelemetry telemetry{"served"};
    const std::shared_ptr<prometheus::Collectable> marks = std::make_shared<Marks>();
    const std::shared_ptr<prometheus::Collectable> metrics = make_collectable(telemetry);
    const std::shared_ptr<prometheus::Collectable> process = make_process_collectable();
    MetricsServer server{{.port = 0}};
};

// The parameter: whether it stays so until the scrape is over; else it is for a moment.
TEST_P(NoMemoryServer, AScrapeIsWholeOrAnErrorWhereverItRunsOut) {
    const std::size_t whole = families_in(scrape(server.port()));
    ASSERT_GT(whole, 10u);
    stays_out = GetParam();
    const long connecting = of_a_connection();
    Answers answers;
    long most = 0;
    while (ask_with(most, whole, answers)) {
        const std::string next = scrape(server.port());
        EXPECT_TRUE(is_good(next)) << "after allocation " << most << " had failed: " << next;
        EXPECT_EQ(families_in(next), whole);
        ++most;
    }
    std::printf("%ld allocations, one refused%s: %d times whole, %d times a 500, %d times closed without a word\n",
                most, stays_out ? " and all after it" : "", answers.whole, answers.errors, answers.closed);
    EXPECT_GT(most, 50) << "it did run out in many places";
    EXPECT_GT(answers.errors, 50);
    EXPECT_LE(answers.closed, connecting) << "whoever could ask gets an answer";
}

INSTANTIATE_TEST_SUITE_P(ForAMomentAndForLong, NoMemoryServer, testing::Bool());

}  // namespace
}  // namespace tiffany
