#include "merge_inputs.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tiffany/pal/error.hpp>
#include <vector>

namespace tiffany::ctf {
namespace {

/// Where nothing comes.
class NoEntries : public pal::EntrySink {
  public:
    void begin(const pal::Begin& /*begin*/) override {}
    void record(const pal::Record& /*record*/) override {}
    void gap(const pal::Gap& /*gap*/) override {}
    void end(const pal::End& /*end*/) override {}
};

/// Each of these traces has streams that are cut, and then cannot be read.
std::string told_of_cut_traces(std::size_t count) {
    FoundInputs inputs;
    inputs.inputs = {"run"};
    for (std::size_t i = 1; i <= count; ++i)
        inputs.found.push_back({.input = 0, .name = "trace " + std::to_string(i), .label = "", .is_trace = true});
    const OpenSource open = [](const InputPart& found, RecordPool&) -> NextRecords {
        return [name = found.name](RecordBatch&, FrameHandler& handler) -> bool {
            handler.cut(name + " is cut");
            handler.cut(name + " is cut twice");
            throw Error{ErrorKind::content, "cannot read " + name};
        };
    };
    NoEntries nothing;
    try {
        merge_inputs(inputs, {}, open, nothing);
    } catch (const Error& error) {
        return error.one_line();
    }
    return "no error";
}

TEST(MergeInputs, OfWhichNoneCanBeReadTellWhatIsWrongWithTheFirst) {
    const std::string first = "trace 1 is cut; cannot read trace 1";
    EXPECT_EQ(told_of_cut_traces(1), first);
    EXPECT_EQ(told_of_cut_traces(3), first);
}

TEST(MergeInputs, CountOfEachTraceWhatNoneBeforeItGave) {
    FoundInputs inputs;
    inputs.inputs = {"run"};
    for (const char* const name : {"trace", "recovered"})
        inputs.found.push_back({.input = 0, .name = name, .label = "", .is_trace = true});
    const OpenSource open = [](const InputPart& found, RecordPool&) -> NextRecords {
        std::vector<EventId> events{EventId::TaskYield, EventId::TaskYield, EventId::ParkBegin};
        if (found.name == "recovered") events.push_back(EventId::TaskYield);
        return [events, given = std::uint64_t{0}](RecordBatch& batch, FrameHandler&) mutable -> bool {
            if (given == events.size()) return false;
            pal::Record& record = batch.place();
            record.info = &catalogue::info(events[given]);
            record.worker = {0xabc, 0};
            record.ts_ns = 10 * ++given;
            record.seq = record.is_transition() ? given : 0;
            batch.add();
            return true;
        };
    };
    NoEntries nothing;
    const ReadSummary seen = merge_inputs(inputs, {}, open, nothing);
    EXPECT_EQ(seen.records, 4u);
    EXPECT_EQ(seen.duplicates, 3u);
    ASSERT_EQ(seen.traces.size(), 2u);
    EXPECT_EQ(seen.traces[0].records + seen.traces[1].records, seen.records);
    EXPECT_EQ(seen.traces[0].transitions + seen.traces[1].transitions, seen.transitions);
}

}  // namespace
}  // namespace tiffany::ctf
