// A runtime that calls one hook wrongly fails the suite, and the message names that hook. One that calls all of them
// rightly passes it.

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <tiffany/testing/conformance.hpp>
#include <tiffany/testing/conformance_suite.hpp>
#include <tiffany/testing/lateness.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <tiffany/testing/story.hpp>

#include "toy_runtime.hpp"

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

[[maybe_unused]] const int unmutated = register_conformance<ToyRuntime>("ToyRuntime");
[[maybe_unused]] const int on_the_systems_clock =
    register_conformance("ToyRuntimeOnTheSystemsClock", [] { return std::make_unique<ToyRuntime>(Time::is_real); });

/// The hook left out, doubled, swapped with the next one, swapped for each of the others.
std::vector<Mutation> mutations_of(TaskEvent hook) {
    std::vector<Mutation> all{{Wrong::left_out, hook}, {Wrong::called_twice, hook}};
    const bool is_an_end = hook == TaskEvent::Done || hook == TaskEvent::Failed || hook == TaskEvent::Cancelled;
    if (!is_an_end) all.push_back({Wrong::too_late, hook});  // nothing follows an end
    for (std::size_t i = 0; i < kTransitions; ++i)
        if (static_cast<TaskEvent>(i) != hook) all.push_back({Wrong::in_place, hook, static_cast<TaskEvent>(i)});
    return all;
}

const Program& program(std::string_view name) {
    const auto& all = conformance_programs();
    return *std::find_if(all.begin(), all.end(), [&](const Program& program) { return program.name == name; });
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
            EXPECT_THAT(findings.front(), AllOf(HasSubstr("the hook "), HasSubstr(hook_of(mutation.hook))))
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

struct NumberFound {
    TaskEvent hook;
    const char* program;
    const char* says;
};
void PrintTo(const NumberFound& given, std::ostream* out) {
    *out << given.says;
}

class MutantNumber : public ::testing::TestWithParam<NumberFound> {};

TEST_P(MutantNumber, IsFoundAndTheFirstLineNamesTheField) {
    ToyRuntime runtime{{Wrong::other_number, GetParam().hook}};
    const std::vector<std::string> findings = check_conformance(runtime, program(GetParam().program));
    ASSERT_FALSE(findings.empty());
    EXPECT_THAT(findings.front(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    EachHook, MutantNumber,
    ::testing::Values(
        NumberFound{TaskEvent::Sleep, "ASleepEndsByTheTimer", "the hook sleep() was called with another dur_ns"},
        NumberFound{TaskEvent::Ready, "ASleepEndsByTheTimer",
                    "expected Ready (late_ns 300), found Ready (late_ns 301): the hook ready() was "
                    "called with another late_ns"},
        NumberFound{TaskEvent::Ready, "AWaitThatTimesOutEndsByTheTimer",
                    "expected Ready (late_ns 300), found Ready (late_ns 301): the hook ready() was "
                    "called with another late_ns"},
        NumberFound{TaskEvent::Ready, "AYieldPastTheBudgetWaitsForTheQuota",
                    "expected Ready (late_ns 300), found Ready (late_ns 301): the hook ready() was "
                    "called with another late_ns"},
        NumberFound{TaskEvent::Throttled, "AYieldPastTheBudgetWaitsForTheQuota",
                    "expected Ready (late_ns 299), found Ready (late_ns 300): the hook ready() was "
                    "called with another late_ns, or the hook throttled() with another park_ns"},
        NumberFound{TaskEvent::IoWait, "ADescriptorWakesWhoWaitsForIt", "the hook iowait() was called with another io"},
        NumberFound{TaskEvent::Join, "AJoinEndsWithItsTarget", "the hook join() was called with another target"}));

TEST(MutantNumber, AWakeBeforeItsTimeIsFound) {
    VirtualClock clock;
    const ScopedSink sink;
    {
        SchedulerTelemetry telemetry{"hasty", {.clock = &clock}};
        const WorkerLease worker = telemetry.worker();
        TaskTimes task;
        worker->spawned(task, {.name = "sleeper"});
        worker->running(task);
        worker->sleep(task, 1'000);
        clock.advance(999);
        worker->ready(task, WakeCause::timer);
    }
    const Recording run = sink.recording();
    EXPECT_THAT(check_lateness({.name = "sleeper", .steps = {Step::sleep(1us)}}, run.task("sleeper")),
                ElementsAre(HasSubstr("step 4: expected Ready 1000 ns after Sleep, found it after 999 ns: the hook "
                                      "ready() was called before the time was over; around: ")));
}

// ---- what is not a transition ----

struct SlipFound {
    Slip slip;
    const char* program;
    const char* says;
};
void PrintTo(const SlipFound& given, std::ostream* out) {
    *out << given.says;
}

class MutantLoop : public ::testing::TestWithParam<SlipFound> {};

TEST_P(MutantLoop, IsFoundAndTheFirstLineSaysWhatIsWrong) {
    const auto& [slip, name, says] = GetParam();
    ToyRuntime right{Time::is_real};
    EXPECT_THAT(check_conformance(right, program(name)), IsEmpty());
    ToyRuntime wrong{Time::is_real, slip};
    const std::vector<std::string> findings = check_conformance(wrong, program(name));
    ASSERT_FALSE(findings.empty());
    EXPECT_THAT(findings.front(), HasSubstr(says));
}

INSTANTIATE_TEST_SUITE_P(
    EachSlip, MutantLoop,
    ::testing::Values(
        SlipFound{Slip::tick_left_out, "AYieldStaysReady",
                  "the span Worker::Tick was not made around the run of task 'yielder'"},
        SlipFound{Slip::tick_twice, "AYieldStaysReady", "the span Worker::Tick was made twice"},
        SlipFound{Slip::tick_not_kept, "AYieldStaysReady", "the span Worker::Tick was made twice, or ended at once"},
        SlipFound{Slip::tick_ends_early, "AYieldStaysReady", "the span Worker::Tick ended before the run"},
        SlipFound{Slip::park_left_out, "AWorkerWithNothingToRunParks", "the hook park() was not called"},
        SlipFound{Slip::park_twice, "AWorkerWithNothingToRunParks", "the hook park() was called twice"},
        SlipFound{Slip::unpark_left_out, "AWorkerWithNothingToRunParks",
                  "which is parked: the hook unpark() was not called before"},
        SlipFound{Slip::parks_swapped, "AWorkerWithNothingToRunParks",
                  "which is parked: the hook unpark() was not called before"},
        SlipFound{Slip::lease_kept, "ATaskThatReturnsIsDone", "was not stopped: its WorkerLease was not given back"},
        SlipFound{Slip::group_not_registered, "ASpawnTellsItsGroup", "SchedulerTelemetry::group() was not called"}),
    [](const ::testing::TestParamInfo<SlipFound>& given) { return name_of(given.param.slip); });

TEST(MutantLoop, NeedsNoTicksIfItsModelSaysSo) {
    class HasNoLoop : public ToyRuntime {
      public:
        HasNoLoop() : ToyRuntime{Time::is_virtual, Slip::tick_left_out} {}
        Model model() const override {
            Model model = ToyRuntime::model();
            model.ticks = false;
            return model;
        }
    } runtime;
    EXPECT_THAT(check_conformance(runtime, program("AYieldStaysReady")), IsEmpty());
}

TEST(MutantLoop, NeedsNoParksIfItsModelSaysSo) {
    class NeverBlocks : public ToyRuntime {
      public:
        NeverBlocks() : ToyRuntime{Time::is_real, Slip::park_left_out} {}
        Model model() const override {
            Model model = ToyRuntime::model();
            model.parks = false;
            return model;
        }
    } runtime;
    EXPECT_THAT(check_conformance(runtime, program("AWorkerWithNothingToRunParks")), IsEmpty());
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

/// Tells one sleep of the program, which asks for 1 ms.
struct SleepsFor : Driver {
    explicit SleepsFor(std::uint64_t its_dur_ns) : dur_ns{its_dur_ns} {}
    Model model() const override {
        return {.can = {Can::sleep}, .exact_sleeps = false, .ticks = false, .parks = false};
    }
    void run(Stage& stage) override {
        SchedulerTelemetry telemetry{"sleeps"};
        const WorkerLease worker = telemetry.worker();
        TaskTimes task;
        worker->spawned(task, {.name = stage.name(0)});
        worker->running(task);
        worker->sleep(task, dur_ns);
        worker->ready(task, WakeCause::timer);
        worker->running(task);
        worker->done(task);
    }

    std::uint64_t dur_ns;
};

TEST(Sleeps, MayTellWhatIsLeftOfTheTimeAskedForButNotMore) {
    const Program program{.name = "One", .tasks = {{.name = "sleeper", .steps = {Step::sleep(1ms)}}}};
    for (const std::uint64_t right : {1, 999'999, 1'000'000}) {
        SleepsFor driver{right};
        EXPECT_THAT(check_conformance(driver, program), IsEmpty()) << right;
    }
    for (const std::uint64_t wrong : {0, 1'000'001}) {
        SleepsFor driver{wrong};
        EXPECT_THAT(check_conformance(driver, program),
                    ElementsAre(AllOf(HasSubstr("dur_ns at least 1 and at most 1000000"),
                                      HasSubstr("the hook sleep() was called with another dur_ns"))))
            << wrong;
    }
}

}  // namespace
}  // namespace tiffany::testing
