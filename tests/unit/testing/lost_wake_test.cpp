// A runtime that loses a wake waits for ever. Its driver gives up after the deadline, and the suite says what is
// missing.

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <tiffany/testing/conformance.hpp>
#include <vector>

#include "example_drivers.hpp"
#include "scheduler_driver.hpp"

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

/// To the driver a wake that its runtime loses, and one that is never asked for, are the same.
template <typename Its>
class LosesWakes : public Its {
  public:
    explicit LosesWakes(std::chrono::milliseconds deadline) : deadline_{deadline} {}

    void run(Stage& stage) override {
        const auto is_wake = [](const Step& step) { return step.what == Do::set || step.what == Do::wake; };
        Program program = stage.program();
        for (Script& script : program.tasks)
            std::erase_if(script.steps, is_wake);
        std::erase_if(program.outside, is_wake);
        Stage without{program, *this, deadline_};
        Its::run(without);
    }

  private:
    std::chrono::milliseconds deadline_;
};

const Program& program(std::string_view name) {
    const auto& all = conformance_programs();
    return *std::find_if(all.begin(), all.end(), [&](const Program& program) { return program.name == name; });
}

template <typename Its>
std::vector<std::string> findings_of(std::string_view in, std::chrono::milliseconds deadline) {
    LosesWakes<Its> driver{deadline};
    return check_conformance(driver, program(in), {.deadline = deadline});
}

/// On a busy machine a task may not come to its wait before a deadline: then it gets a longer one.
template <typename Its>
void expect_that_it_is_found(std::string_view in) {
    const auto names_the_hook = Contains(HasSubstr("the hook ready() was not called"));
    constexpr std::chrono::milliseconds kLongest = 20s;
    std::chrono::milliseconds deadline = 200ms;
    std::vector<std::string> findings = findings_of<Its>(in, deadline);
    while (!::testing::Matches(names_the_hook)(findings) && deadline < kLongest)
        findings = findings_of<Its>(in, deadline *= 4);
    EXPECT_THAT(findings, Contains(HasSubstr("did not end in time: a wake was lost")));
    EXPECT_THAT(findings, names_the_hook);
}

TEST(ALostWake, IsFoundOnAVirtualClock) {
    expect_that_it_is_found<VirtualTimeDriver>("AnEventWakesAllThatWait");
    expect_that_it_is_found<VirtualTimeDriver>("AThreadOutsideWakesABlockedTask");
}

TEST(ALostWake, IsFoundOnTheSystemsClock) {
    expect_that_it_is_found<RealTimeDriver>("AnEventWakesAllThatWait");
    expect_that_it_is_found<RealTimeDriver>("AThreadOutsideWakesABlockedTask");
}

TEST(ALostWake, IsFoundOnAPool) {
    expect_that_it_is_found<PoolDriver>("AnEventWakesAllThatWait");
    expect_that_it_is_found<PoolDriver>("AThreadOutsideWakesABlockedTask");
}

TEST(ALostWake, IsFoundOnASharedQueue) {
    expect_that_it_is_found<SharedQueueDriver>("AThreadOutsideWakesABlockedTask");
}

}  // namespace
}  // namespace tiffany::testing
