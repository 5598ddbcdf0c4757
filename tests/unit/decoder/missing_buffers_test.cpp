#include "missing_buffers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "recording_name.hpp"

namespace tiffany::ctf {
namespace {

using testing::HasSubstr;

/// As lttng-sessiond 2.13 writes it: the environment, then a stream and its events for each channel that the process
/// got.
std::string metadata(const std::string& session, const std::string& channels, const std::string& tracer = "lttng-ust") {
    return "/* CTF 1.8 */\ntrace {\n\tmajor = 1;\n};\n\nenv {\n\tdomain = \"ust\";\n\ttracer_name = \"" + tracer +
           "\";\n\ttrace_name = \"" + session + "\";\n\tvpid = 812;\n\tprocname = \"tiffany-demo\";\n};\n\n" + channels;
}

std::string channel(int id, const std::string& event) {
    return "stream {\n\tid = " + std::to_string(id) + ";\n};\n\nevent {\n\tname = \"" + event +
           "\";\n\tid = 0;\n};\n\n";
}

const std::string kTransitions = channel(0, "tiffany:task_spawned");
const std::string kOthers = channel(1, "tiffany:worker_park");
const std::string kWorkers = channel(2, "tiffany:worker_started");
const std::string kOurs = recording_name(true, 4711);

TEST(MissingBuffers, NothingIsMissingWithAllChannels) {
    const MissingBuffers missing = missing_buffers(metadata(kOurs, kTransitions + kOthers + kWorkers));
    EXPECT_EQ(missing.what, "");
    EXPECT_FALSE(missing.all);
}

TEST(MissingBuffers, ATraceWithoutAStreamIsAProcessWithoutBuffersInWhosesoeverSession) {
    for (const std::string& session : {kOurs, std::string{"my-session"}}) {
        const MissingBuffers missing = missing_buffers(metadata(session, ""));
        EXPECT_THAT(missing.what, HasSubstr("tiffany-demo (pid 812) got no buffers: nothing"));
        EXPECT_TRUE(missing.all);
    }
}

TEST(MissingBuffers, EventsWithoutAStreamAreDamageThatTheReaderNames) {
    std::string damaged = kTransitions;
    damaged.replace(0, 6, "strexm");
    const MissingBuffers missing = missing_buffers(metadata(kOurs, damaged));
    EXPECT_FALSE(missing.all);
    EXPECT_EQ(missing.what, "");
}

TEST(MissingBuffers, AChannelThatIsMissingIsNamed) {
    EXPECT_THAT(missing_buffers(metadata(kOurs, kOthers)).what, HasSubstr("for its transitions"));
    EXPECT_THAT(missing_buffers(metadata(kOurs, kWorkers)).what, HasSubstr("for its transitions"));
    EXPECT_THAT(missing_buffers(metadata(kOurs, kTransitions + kWorkers)).what, HasSubstr("for parks, dumps"));
    EXPECT_THAT(missing_buffers(metadata(kOurs, kTransitions + kOthers)).what, HasSubstr("as they begin and end"));
    EXPECT_THAT(missing_buffers(metadata(kOurs, channel(0, "tiffany_tick:begin"))).what, HasSubstr("transitions"));
    EXPECT_THAT(missing_buffers(metadata(kOurs, kTransitions)).what, HasSubstr("for what is no transition"));
    EXPECT_FALSE(missing_buffers(metadata(kOurs, kOthers)).all);
    EXPECT_NE(missing_buffers(metadata(recording_name(false, 4711), kOthers)).what, "");
}

TEST(MissingBuffers, InOtherPeoplesSessionsAMissingChannelIsASelection) {
    EXPECT_EQ(missing_buffers(metadata("my-session", kOthers)).what, "");
}

TEST(MissingBuffers, AProcessWithoutTiffanyMissesNothing) {
    EXPECT_EQ(missing_buffers(metadata(kOurs, channel(0, "other:event"))).what, "");
    EXPECT_EQ(missing_buffers(metadata(kOurs, "stream {\n\tid = 0;\n};\n")).what, "");
}

TEST(MissingBuffers, OtherTracersTracesAreNotJudged) {
    EXPECT_EQ(missing_buffers(metadata(kOurs, "", "barectf")).what, "");
    EXPECT_EQ(missing_buffers("").what, "");
}

}  // namespace
}  // namespace tiffany::ctf
