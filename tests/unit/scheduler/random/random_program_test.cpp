// Programs made at random, on one worker and on a pool: no task is lost, no transition is illegal, every join is
// answered.
//
// A program that fails is made smaller, and printed with the seed. RC_PARAMS="seed=S max_success=N" runs these again;
// TIFFANY_RANDOM_PROGRAMS and TIFFANY_RANDOM_POOL_PROGRAMS say only how many there are, of each kind.
//     RC_PARAMS="max_success=100000" random_program_test --gtest_filter='*OneWorker*'

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <tiffany/telemetry/sink.hpp>

// last: it declares operators for all there is
#include <rapidcheck.h>

#include "program.hpp"
#include "run.hpp"

namespace tiffany::testing {

/// RapidCheck prints values by it.
void showValue(const Program& program, std::ostream& out) {
    out << program;
}

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// ---- a program that crashes or hangs is printed, too ----

std::string& running_now() {
    static std::string text;
    return text;
}

void print_running() noexcept {
    const std::string& text = running_now();
    [[maybe_unused]] const ssize_t put = write(STDERR_FILENO, text.data(), text.size());
}

extern "C" void print_and_crash(int signal) {
    print_running();
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

/// Ends the process when a program takes minutes.
class Watchdog {
  public:
    void feed() noexcept { fed_at_ = steady_clock::now().time_since_epoch().count(); }

  private:
    static constexpr auto kLongest = 120s;
    std::atomic<steady_clock::rep> fed_at_{steady_clock::now().time_since_epoch().count()};
    std::jthread thread_{[this](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(20ms);
            if (steady_clock::now().time_since_epoch() - steady_clock::duration{fed_at_} < kLongest) continue;
            std::cerr << "a program hangs\n";
            std::abort();
        }
    }};
};

// ---- the properties ----

rc::Gen<Program> programs() {
    return [](const rc::Random& random, int size) {
        rc::Random seed{random};
        return rc::shrinkable::shrinkRecur(random_program(seed.next(), size), [](const Program& program) {
            return rc::seq::fromContainer(smaller(program));
        });
    };
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kPrograms = 1'000;  // these take about ten times as long
constexpr int kPoolPrograms = 500;
#else
constexpr int kPrograms = 10'000;
constexpr int kPoolPrograms = 10'000;
#endif

/// The number of programs: of RC_PARAMS, or else of the environment, or else `otherwise`.
rc::detail::TestParams params(const char* variable, int otherwise) {
    rc::detail::TestParams params = rc::detail::configuration().testParams;
    const char* const given = std::getenv("RC_PARAMS");
    if (given != nullptr && std::string_view{given}.find("max_success") != std::string_view::npos) return params;
    const char* const number = std::getenv(variable);
    params.maxSuccess = number != nullptr ? std::stoi(number) : otherwise;
    return params;
}

/// As RapidCheck's own macro for GoogleTest, with a number of programs.
template <typename Property>
void check(const Property& property, const rc::detail::TestParams& params) {
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    rc::detail::TestMetadata metadata;
    metadata.id = std::string{test->test_suite_name()} + '/' + test->name();
    metadata.description = test->name();
    const rc::detail::TestResult result = rc::detail::checkTestable(property, metadata, params);
    std::ostringstream text;
    rc::detail::printResultMessage(result, text);
    EXPECT_TRUE(result.is<rc::detail::SuccessResult>())
        << text.str() << "\nRC_PARAMS=\"seed=" << params.seed << " max_success=" << params.maxSuccess << '"';
}

class RandomPrograms : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        setenv("TIFFANY_LTTNG", "0", 1);  // a session daemon on the machine is no part of this
        std::signal(SIGABRT, print_and_crash);
        std::signal(SIGSEGV, print_and_crash);
    }
    void SetUp() override { install_sink(watcher_, {.ring_bytes = std::size_t{1} << 19, .flush_timeout = 60s}); }
    void TearDown() override {
        uninstall_sink();
        std::cout << programs_ << " programs, " << steps_ << " steps; the slowest took "
                  << std::chrono::duration_cast<std::chrono::milliseconds>(slowest_).count() << " ms\n";
    }

    template <typename Run>
    void check_all(const Run& run, const rc::detail::TestParams& with) {
        check(
            [&] {
                const Program program = *programs().as("program");
                std::ostringstream text;
                text << "the program that ran:" << program;
                running_now() = text.str();
                watchdog_.feed();
                ++programs_;
                steps_ += steps_of(program);
                const auto began = steady_clock::now();
                const std::string wrong = run(program, *watcher_);
                const auto took = steady_clock::now() - began;
                slowest_ = std::max(slowest_, took);
                if (wrong.empty()) return;
                failed_ = text.str() + wrong;
                RC_FAIL(wrong);
            },
            with);
        if (!failed_.empty()) std::cout << "the last failure: " << failed_;
    }

    bool has_failed() const { return !failed_.empty(); }

  private:
    const std::shared_ptr<Watcher> watcher_ = std::make_shared<Watcher>();
    Watchdog watchdog_;
    std::uint64_t programs_ = 0;
    std::uint64_t steps_ = 0;
    steady_clock::duration slowest_{};
    std::string failed_;
};

TEST_F(RandomPrograms, KeepTheRulesOnOneWorker) {
    check_all(run_on_one_worker, params("TIFFANY_RANDOM_PROGRAMS", kPrograms));
}

TEST_F(RandomPrograms, KeepTheRulesOnAPool) {
    const auto run = [this](const Program& program, Watcher& watcher) {
        return run_on_pool(program, watcher, has_failed() ? kPatienceAfterAFailure : kPatience);
    };
    check_all(run, params("TIFFANY_RANDOM_POOL_PROGRAMS", kPoolPrograms));
}

TEST(RandomProgram, IsMadeSmallerUntilOnlyWhatFailsIsLeft) {
    Program smallest;
    const auto property = [&] {
        const Program program = *programs();
        if (!has(program, Op::cancel)) return;
        smallest = program;
        RC_FAIL("it cancels");
    };
    rc::detail::TestMetadata metadata;
    rc::detail::TestParams params = rc::detail::configuration().testParams;
    params.maxSuccess = 1000;
    const rc::detail::TestResult result = rc::detail::checkTestable(property, metadata, params);
    ASSERT_TRUE(result.is<rc::detail::FailureResult>());
    EXPECT_EQ(steps_of(smallest), 1u);
    EXPECT_LE(smallest.tasks.size() + smallest.foreign.size(), 1u);
    std::ostringstream text;
    rc::detail::printResultMessage(result, text);
    EXPECT_NE(text.str().find("cancel 0 0"), std::string::npos) << text.str();
}

}  // namespace
}  // namespace tiffany::testing
