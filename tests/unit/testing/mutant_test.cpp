// A runtime that calls one hook wrongly fails the suite, and the message names that hook. One that calls all of them
// rightly passes it.

#include <gmock/gmock.h>

#include <algorithm>
#include <tiffany/testing/conformance.hpp>
#include <tiffany/testing/conformance_suite.hpp>
#include <tiffany/testing/memory_sink.hpp>

#include "toy_runtime.hpp"

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

[[maybe_unused]] const int unmutated = register_conformance<ToyRuntime>("ToyRuntime");

std::string hook_name(TaskEvent event) {
    return std::string{catalogue::info(event).tracepoint.substr(5)} + "()";
}

/// The hook left out, doubled, swapped with the next one, swapped for each of the others.
std::vector<Mutation> mutations_of(TaskEvent hook) {
    std::vector<Mutation> all{{Wrong::left_out, hook}, {Wrong::called_twice, hook}};
    const bool is_an_end = hook == TaskEvent::Done || hook == TaskEvent::Failed || hook == TaskEvent::Cancelled;
    if (!is_an_end) all.push_back({Wrong::too_late, hook});  // nothing follows an end
    for (std::size_t i = 0; i < kTransitions; ++i)
        if (static_cast<TaskEvent>(i) != hook) all.push_back({Wrong::in_place, hook, static_cast<TaskEvent>(i)});
    return all;
}

/// Some programs in which a runtime that does all rightly calls that hook.
std::vector<const Program*> programs_with(TaskEvent hook) {
    constexpr std::size_t kEnough = 3;
    ToyRuntime runtime;
    std::vector<const Program*> found;
    for (const Program& program : conformance_programs()) {
        if (found.size() == kEnough || !cannot_run(runtime, program).empty()) continue;
        const ScopedSink sink;
        Stage stage{program, runtime, 1min};
        runtime.run(stage);
        const Recording run = sink.recording();
        if (std::any_of(run.records().begin(), run.records().end(),
                        [&](const pal::Record& record) { return record.info == &catalogue::info(hook); }))
            found.push_back(&program);
    }
    return found;
}

class Mutant : public ::testing::TestWithParam<TaskEvent> {};

TEST_P(Mutant, IsFoundHoweverTheHookIsMiscalledAndTheFirstLineNamesIt) {
    const std::vector<const Program*> programs = programs_with(GetParam());
    ASSERT_FALSE(programs.empty());
    for (const Mutation& mutation : mutations_of(GetParam())) {
        for (const Program* program : programs) {
            ToyRuntime runtime{mutation};
            const std::vector<std::string> findings = check_conformance(runtime, *program);
            ASSERT_FALSE(findings.empty()) << name_of(mutation) << " in " << program->name;
            EXPECT_THAT(findings.front(), AllOf(HasSubstr("the hook "), HasSubstr(hook_name(mutation.hook))))
                << name_of(mutation) << " in " << program->name;
        }
    }
}

std::vector<TaskEvent> all_hooks() {
    std::vector<TaskEvent> all;
    for (std::size_t i = 0; i < kTransitions; ++i)
        all.push_back(static_cast<TaskEvent>(i));
    return all;
}

INSTANTIATE_TEST_SUITE_P(EachHook, Mutant, ::testing::ValuesIn(all_hooks()),
                         [](const ::testing::TestParamInfo<TaskEvent>& hook) {
                             return std::string{label(hook.param)};
                         });

const Program& program(std::string_view name) {
    const auto& all = conformance_programs();
    return *std::find_if(all.begin(), all.end(), [&](const Program& program) { return program.name == name; });
}

std::string first_finding(const Mutation& mutation, std::string_view of) {
    ToyRuntime runtime{mutation};
    const std::vector<std::string> findings = check_conformance(runtime, program(of));
    return findings.empty() ? "nothing" : findings.front();
}

TEST(Finding, NamesTaskStepAndHookOfACallThatIsMissing) {
    const std::string finding = first_finding({Wrong::left_out, TaskEvent::Ready}, "ASleepEndsByTheTimer");
    EXPECT_THAT(finding, StartsWith("task 'sleeper' (tid "));
    EXPECT_THAT(finding, HasSubstr("), step 4: expected Ready (cause timer), found Running: the hook ready() was not "
                                   "called; around: 1 Spawned ("));
    EXPECT_THAT(finding, HasSubstr("3 Sleep (run_ns 1, dur_ns 1000000), [4 Running ("));
}

TEST(Finding, TellsTwoCallsFromACallThatIsMissing) {
    EXPECT_THAT(first_finding({Wrong::called_twice, TaskEvent::Running}, "AYieldStaysReady"),
                HasSubstr("step 3: expected Yield, found Running: the hook running() was called twice"));
    EXPECT_THAT(first_finding({Wrong::left_out, TaskEvent::Yield}, "AYieldStaysReady"),
                HasSubstr("step 3: expected Yield, found Running: the hook yield() was not called"));
}

TEST(Finding, TellsACallTooLateFromOneInThePlaceOfAnother) {
    EXPECT_THAT(first_finding({Wrong::too_late, TaskEvent::Yield}, "AYieldStaysReady"),
                HasSubstr("the hook yield() was called too late, after running()"));
    EXPECT_THAT(
        first_finding({Wrong::in_place, TaskEvent::Sleep, TaskEvent::Wait}, "ASleepEndsByTheTimer"),
        HasSubstr("step 3: expected Sleep (dur_ns 1000000), found Wait: the hook wait() was called in the place "
                  "of sleep()"));
}

TEST(Finding, TellsOfATaskThatWasNeverSpawned) {
    EXPECT_THAT(first_finding({Wrong::left_out, TaskEvent::Spawned}, "AYieldStaysReady"),
                StartsWith("a task that was never spawned (tid 0), step 1: expected Spawned, found Running: the hook "
                           "spawned() was not called before running()"));
}

TEST(Finding, TellsOfAnEndThatIsMissing) {
    EXPECT_THAT(first_finding({Wrong::left_out, TaskEvent::Done}, "ATaskThatReturnsIsDone"),
                HasSubstr("step 3: expected Done, found nothing more: the hook done() was not called"));
    EXPECT_THAT(first_finding({Wrong::called_twice, TaskEvent::Done}, "ATaskThatReturnsIsDone"),
                HasSubstr("step 4: expected nothing more, found Done: the hook done() was called twice"));
}

TEST(Finding, NothingIsFoundInARuntimeThatCallsAllHooksRightly) {
    ToyRuntime runtime;
    EXPECT_THAT(check_conformance(runtime), IsEmpty());
}

}  // namespace
}  // namespace tiffany::testing
