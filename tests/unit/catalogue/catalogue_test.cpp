// The catalogue is what the design says, and every name in it is found again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany::catalogue {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> labels(const StateSet& set) {
    std::vector<std::string> result;
    for (const EnumValue& value : enumeration("task_state").values)
        if (set.has(static_cast<TaskState>(value.number))) result.emplace_back(value.label);
    return result;
}

TEST(Catalogue, ListsEveryEventAtItsId) {
    std::size_t position = 0;
    for (const EventInfo& event : events())
        EXPECT_EQ(static_cast<std::size_t>(event.id), position++) << event.name;
    EXPECT_EQ(position, kEvents);
}

TEST(Catalogue, HasTheTransitionsOfTheDesignFirst) {
    std::vector<std::string> names;
    for (const EventInfo& event : events())
        if (event.is_transition()) names.emplace_back(event.name);
    EXPECT_THAT(names, ElementsAre("Spawned", "Ready", "Running", "Yield", "Sleep", "IoWait", "Join", "Wait",
                                   "Throttled", "Done", "Failed", "Cancelled"));
    EXPECT_EQ(names.size(), kTransitions);
}

TEST(Catalogue, UsesEveryNameOnce) {
    std::set<std::string_view> names;
    std::set<std::string> tracepoints;
    std::set<std::string> probes;
    std::set<std::string_view> structs;
    std::set<std::string> records;
    for (const EventInfo& event : events()) {
        EXPECT_TRUE(names.insert(event.name).second) << event.name;
        EXPECT_TRUE(tracepoints.insert(std::string{event.provider} + ':' + std::string{event.tracepoint}).second)
            << event.tracepoint;
        EXPECT_TRUE(probes.insert(std::string{event.provider} + ':' + std::string{event.probe}).second) << event.probe;
        EXPECT_TRUE(structs.insert(event.struct_name).second) << event.struct_name;
        EXPECT_TRUE(records.insert(std::string{event.record} + ' ' + std::string{event.kind}).second) << event.name;
    }
}

TEST(Catalogue, UsesEveryFieldNameOnceInAnEvent) {
    for (const EventInfo& event : events()) {
        std::set<std::string_view> names;
        for (const FieldInfo& field : event.fields)
            EXPECT_TRUE(names.insert(field.name).second) << event.name << '.' << field.name;
    }
}

TEST(Catalogue, NamesTransitionsAndNothingElseTask) {
    for (const EventInfo& event : events())
        EXPECT_EQ(event.tracepoint.starts_with("task_"), event.is_transition()) << event.tracepoint;
}

TEST(Catalogue, DoublesTheUnderscoresInTheNameOfAProbe) {
    for (const EventInfo& event : events()) {
        std::string doubled;
        for (const char c : event.tracepoint)
            doubled.append(c == '_' ? 2 : 1, c);
        EXPECT_EQ(event.probe, doubled);
    }
}

TEST(Catalogue, BeginsEveryTransitionWithTheSameFourFields) {
    for (const EventInfo& event : events()) {
        if (!event.is_transition()) continue;
        ASSERT_GE(event.fields.size(), 4u) << event.name;
        const FieldRole roles[] = {FieldRole::worker, FieldRole::tid, FieldRole::seq, FieldRole::step};
        for (std::size_t i = 0; i < 4; ++i) {
            EXPECT_EQ(event.fields[i].role, roles[i]) << event.name;
            EXPECT_EQ(event.fields[i].type, FieldType::u64) << event.name;
        }
    }
}

TEST(Catalogue, BeginsEveryOtherEventWithItsWorker) {
    for (const EventInfo& event : events())
        EXPECT_EQ(event.fields.front().role, FieldRole::worker) << event.name;
}

TEST(Catalogue, CarriesSeqBesideTheTransitionsOnlyInTheEventsAboutAWorker) {
    // it is a position there, and no count
    for (const EventInfo& event : events()) {
        if (event.is_transition()) continue;
        for (const FieldInfo& field : event.fields)
            EXPECT_TRUE(field.role != FieldRole::seq || event.record == "Worker") << event.name;
    }
}

TEST(Catalogue, FindsEveryTracepointAndRecordAgain) {
    for (const EventInfo& event : events()) {
        EXPECT_EQ(find_tracepoint(event.provider, event.tracepoint), &event);
        EXPECT_EQ(find_record(event.record, event.kind), &event);
        EXPECT_EQ(&info(event.id), &event);
    }
}

TEST(Catalogue, FindsNothingForNamesItDoesNotHave) {
    EXPECT_EQ(find_tracepoint("tiffany", "task_"), nullptr);
    EXPECT_EQ(find_tracepoint("tiffany_tick", "task_done"), nullptr);
    EXPECT_EQ(find_tracepoint("", ""), nullptr);
    EXPECT_EQ(find_record("Worker", ""), nullptr);
    EXPECT_EQ(find_record("Done", "started"), nullptr);
    EXPECT_THROW(enumeration("no_such_set"), std::out_of_range);
}

TEST(Catalogue, MovesTasksBetweenTheStatesOfTheDesign) {
    const auto from = [](TaskEvent event) { return labels(info(event).from); };
    const auto to = [](TaskEvent event) { return labels(info(event).to); };
    EXPECT_THAT(from(TaskEvent::Spawned), ElementsAre("None"));
    EXPECT_THAT(to(TaskEvent::Spawned), ElementsAre("Ready", "Waiting"));
    EXPECT_THAT(from(TaskEvent::Ready), ElementsAre("Sleeping", "Waiting", "Throttled"));
    EXPECT_THAT(to(TaskEvent::Ready), ElementsAre("Ready"));
    EXPECT_THAT(from(TaskEvent::Running), ElementsAre("Ready"));
    EXPECT_THAT(to(TaskEvent::Running), ElementsAre("Running"));
    EXPECT_THAT(from(TaskEvent::Cancelled), ElementsAre("Ready", "Running", "Sleeping", "Waiting", "Throttled"));
    EXPECT_THAT(to(TaskEvent::Cancelled), ElementsAre("Cancelled"));
    EXPECT_THAT(to(TaskEvent::Yield), ElementsAre("Ready"));
    EXPECT_THAT(to(TaskEvent::Sleep), ElementsAre("Sleeping"));
    EXPECT_THAT(to(TaskEvent::Throttled), ElementsAre("Ready", "Throttled"));
    EXPECT_THAT(to(TaskEvent::Done), ElementsAre("Finished"));
    EXPECT_THAT(to(TaskEvent::Failed), ElementsAre("Failed"));
    for (const TaskEvent event : {TaskEvent::IoWait, TaskEvent::Join, TaskEvent::Wait})
        EXPECT_THAT(to(event), ElementsAre("Waiting")) << label(event);
    for (const TaskEvent event : {TaskEvent::Yield, TaskEvent::Sleep, TaskEvent::IoWait, TaskEvent::Join,
                                  TaskEvent::Wait, TaskEvent::Throttled, TaskEvent::Done, TaskEvent::Failed})
        EXPECT_THAT(from(event), ElementsAre("Running")) << label(event);
}

TEST(Catalogue, GivesStatesToTransitionsAlone) {
    for (const EventInfo& event : events()) {
        EXPECT_EQ(labels(event.from).empty(), !event.is_transition()) << event.name;
        EXPECT_EQ(labels(event.to).empty(), !event.is_transition()) << event.name;
    }
}

TEST(Catalogue, LogsTicksAsDebugFailuresAndStallsAsWarningsTheRestAsInfo) {
    for (const EventInfo& event : events()) {
        const bool warns = event.name == "Failed" || event.name == "Stalled";
        const std::string_view expected = event.provider == "tiffany_tick" ? "DEBUG_FUNCTION"
                                          : warns                          ? "WARNING"
                                                                           : "INFO";
        EXPECT_EQ(event.level, expected) << event.name;
    }
}

TEST(ClosedSet, NumbersItsValuesFromZeroWithoutGapsAndFindsThemAgain) {
    for (const EnumInfo& set : enumerations()) {
        std::uint8_t number = 0;
        for (const EnumValue& value : set.values) {
            EXPECT_EQ(value.number, number) << set.name;
            EXPECT_EQ(set.label(number), value.label);
            EXPECT_EQ(set.number(value.label), number);
            ++number;
        }
        EXPECT_EQ(set.label(number), std::nullopt) << set.name;
        EXPECT_EQ(set.number("no such label"), std::nullopt);
        EXPECT_EQ(&enumeration(set.name), &set);
    }
}

TEST(ClosedSet, IsKnownToEveryFieldOfThatTypeAndToNoOther) {
    for (const EventInfo& event : events())
        for (const FieldInfo& field : event.fields)
            EXPECT_EQ(field.enumeration != nullptr, field.type == FieldType::enumeration)
                << event.name << '.' << field.name;
}

TEST(StateSet, HasNoStateOfANumberThatIsNone) {
    // while compiling, because there a shift by too much is an error
    static_assert(StateSet{TaskState::Ready}.has(TaskState::Ready));
    static_assert(!StateSet{TaskState::Ready}.has(TaskState{32}) && !StateSet{TaskState::Ready}.has(TaskState{255}));
}

TEST(Label, IsTheCataloguesWordAndAQuestionMarkForANumberItDoesNotKnow) {
    EXPECT_EQ(label(TaskState::Sleeping), "Sleeping");
    EXPECT_EQ(label(WakeCause::timer), "timer");
    EXPECT_EQ(label(WaitKind::iowait), "iowait");
    EXPECT_EQ(label(WaitReason::semaphore), "semaphore");
    EXPECT_EQ(label(CancelCause::destroyed), "destroyed");
    EXPECT_EQ(label(DumpPhase::end), "end");
    EXPECT_EQ(label(TaskEvent::IoWait), "IoWait");
    EXPECT_EQ(label(static_cast<WakeCause>(99)), "?");
}

}  // namespace
}  // namespace tiffany::catalogue
