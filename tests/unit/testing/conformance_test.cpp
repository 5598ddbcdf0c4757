// What the suite itself does: skips, gives up, and looks at what the hooks are called with.

#include <tiffany/testing/conformance.hpp>

#include <gmock/gmock.h>

#include <set>
#include <stdexcept>
#include <tiffany/testing/memory_sink.hpp>

#include "toy_runtime.hpp"

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Programs, HaveNamesOfTheirOwn) {
    std::set<std::string> names;
    for (const Program& program : conformance_programs())
        EXPECT_TRUE(names.insert(program.name).second) << program.name;
    EXPECT_GT(names.size(), 30u);
}

TEST(Programs, EveryAbilityIsNeededBySomeProgramOrCheckedInAll) {
    Abilities needed{Can::sites};  // looked at in each program
    for (const Program& program : conformance_programs())
        needed.add(program.needs());
    for (unsigned i = 0; i <= static_cast<unsigned>(Can::sites); ++i)
        EXPECT_TRUE(needed.has(static_cast<Can>(i))) << Abilities{static_cast<Can>(i)}.text();
}

TEST(Abilities, EachHasAName) {
    for (unsigned i = 0; i <= static_cast<unsigned>(Can::sites); ++i)
        EXPECT_FALSE(Abilities{static_cast<Can>(i)}.text().empty()) << "ability " << i;
}

TEST(Programs, AllTransitionsAreMet) {
    ToyRuntime runtime;
    std::set<TaskEvent> met;
    for (const Program& program : conformance_programs()) {
        if (!cannot_run(runtime, program).empty()) continue;
        const ScopedSink sink;
        Stage stage{program, runtime, 1min};
        runtime.run(stage);
        const Recording run = sink.recording();
        for (const pal::Record& record : run.records())
            if (record.is_transition()) met.insert(static_cast<TaskEvent>(record.info->id));
    }
    EXPECT_EQ(met.size(), kTransitions);
}

/// A driver that says other things of its runtime than are so, or fails.
class Odd : public ToyRuntime {
  public:
    using ToyRuntime::ToyRuntime;
    Model model() const override { return its_model; }
    void run(Stage& stage) override {
        if (throws) throw std::runtime_error{"no threads left"};
        if (hangs)
            while (stage.in_time()) {
            }
        ToyRuntime::run(stage);
    }

    Model its_model = ToyRuntime{}.model();
    bool throws = false;
    bool hangs = false;
};

const Program kWaits{.name = "Waits",
                     .tasks = {{.name = "waiter", .steps = {Step::wait(0)}},
                               {.name = "setter", .steps = {Step::until(0, kSuspended), Step::set(0)}}}};

TEST(Conformance, WhatADriverCannotIsNamed) {
    Odd driver;
    EXPECT_EQ(cannot_run(driver, kWaits), "");
    driver.its_model.can = {Can::sleep};
    EXPECT_EQ(cannot_run(driver, kWaits), "the driver cannot: yield, event");
    EXPECT_THROW(check_conformance(driver, kWaits), std::invalid_argument);
    Program parallel = kWaits;
    parallel.workers = 3;
    EXPECT_EQ(cannot_run(driver, parallel), "the driver cannot: yield, event, 3 workers");
}

TEST(Conformance, TasksOfOneNameAreRefused) {
    Odd driver;
    EXPECT_THROW(check_conformance(driver, {.name = "Twins", .tasks = {{.name = "twin"}, {.name = "twin"}}}),
                 std::invalid_argument);
}

TEST(Conformance, AFieldThatIsNotWhatWasAskedForIsNamedWithItsHook) {
    Odd driver;
    driver.its_model.reason = WaitReason::lock;
    const std::vector<std::string> findings = check_conformance(driver, kWaits);
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_THAT(findings[0],
                HasSubstr("step 3: expected Wait (reason lock), found Wait (reason event): the hook wait() "
                          "was called with another reason; around: "));
}

TEST(Conformance, ADriverThatThrowsIsAFinding) {
    Odd driver;
    driver.throws = true;
    EXPECT_EQ(check_conformance(driver, kWaits).front(), "the driver threw: no threads left");
}

TEST(Conformance, ARunThatDoesNotEndIsGivenUp) {
    Odd driver;
    driver.hangs = true;
    EXPECT_THAT(check_conformance(driver, kWaits, {.deadline = 1ms}).front(), HasSubstr("did not end in time"));
}

TEST(Conformance, ATaskThatIsLeftAliveIsAFinding) {
    class Forgetful : public ToyRuntime {
      public:
        Forgetful() : ToyRuntime{{Wrong::left_out, TaskEvent::Cancelled}} {}
    } driver;
    const Program program{.name = "Left", .tasks = {{.name = "left"}}, .ending = Ending::not_run};
    EXPECT_THAT(check_conformance(driver, program),
                Contains("lifecycle: expected every task to end, found 1 alive after the runtime was destroyed"));
}

TEST(Conformance, AllProgramsTogetherNameTheProgram) {
    ToyRuntime driver{{Wrong::called_twice, TaskEvent::Done}};
    const std::vector<std::string> findings = check_conformance(driver);
    ASSERT_FALSE(findings.empty());
    EXPECT_THAT(findings.front(), StartsWith("ATaskThatReturnsIsDone: task 'task' (tid "));
}

TEST(Abilities, AreASet) {
    const Abilities few{Can::join, Can::yield};
    EXPECT_TRUE(few.has(Can::yield));
    EXPECT_FALSE(few.has(Can::sleep));
    EXPECT_TRUE(few.has(Abilities{Can::yield}));
    EXPECT_EQ(few.text(), "yield, join");
    EXPECT_TRUE(few.without(few).empty());
}

}  // namespace
}  // namespace tiffany::testing
