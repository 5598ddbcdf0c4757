#include "daemon_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace tiffany::paltrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// as lttng-sessiond 2.13 writes them
constexpr const char* kOther =
    "PERROR - 20:12:06.3 [Main]: failed to set open files limit: Operation not permitted (in f() at main.c:1)\n";
constexpr const char* kRemoved =
    "PERROR - 20:12:07.1 [UST registration dispatch]: Opening metadata file: No such file or directory (in "
    "ust_registry_session_init() at ust-registry.c:937)\n";
constexpr const char* kNoDirectory =
    "PERROR - 20:12:14.0 [UST registration dispatch]: run_as_mkdir_recursive: Not a directory (in "
    "ust_registry_session_init() at ust-registry.c:927)\n";
constexpr const char* kFull =
    "PERROR - 20:12:12.5 [UST registration dispatch]: Error appending to metadata file: No space left on device (in "
    "lttng_metadata_printf() at ust-metadata.c:134)\n";
constexpr const char* kGivenUp = "Error: Failed to generate session metadata (errno = -1)\n";

DaemonComplaints read(const std::string& text) {
    std::istringstream log{text};
    return read_daemon_log(log);
}

TEST(DaemonLog, CountsProcessesThatHaveNoTraceByWhatLttngSaidOfTheCause) {
    EXPECT_THAT(read("").missed, IsEmpty());
    EXPECT_THAT(read(kOther).missed, IsEmpty());
    EXPECT_THAT(read(std::string{kRemoved} + kNoDirectory + kOther + kRemoved).missed,
                ElementsAre(Pair(kDirectoryRemoved, 2), Pair("run_as_mkdir_recursive: Not a directory", 1)));
}

TEST(DaemonLog, CountsAProcessWhoseMetadataFoundNoRoomOnceItIsGivenUp) {
    EXPECT_THAT(read(kFull).missed, IsEmpty()) << "of an event that is declared later, in a trace that there is";
    EXPECT_THAT(read(std::string{kFull} + kGivenUp + kFull + kGivenUp).missed,
                ElementsAre(Pair("Error appending to metadata file: No space left on device", 2)));
    EXPECT_THAT(read(kGivenUp).missed, ElementsAre(Pair("", 1)));
}

TEST(DaemonLog, CountsChannelsThatWereRefused) {
    EXPECT_EQ(read("Error: Error creating UST channel \"others\" on the consumer daemon\n").refused_channels, 1U);
}

TEST(DaemonLog, CountsPacketsThatTheDiskDidNotTake) {
    const std::string full =
        "PERROR - 20:22:17.0 [20313/20340]: Error in write mmap (ret -28 != write_len 4096): No space left on device "
        "(in "
        "lttng_consumer_on_read_subbuffer_mmap() at consumer.c:1747)\nError: Error reading mmap subbuffer: -28\n";
    EXPECT_EQ(read(kOther).failed_writes, 0U);
    EXPECT_EQ(read(full + kOther + full).failed_writes, 2U);
}

TEST(Missed, TellsACauseOnlyWhereItIsKnown) {
    EXPECT_EQ(missed(2, kDirectoryRemoved),
              "LTTng removed the directory for the buffers of 2 processes that began while others ended: they are "
              "missing, uncounted");
    EXPECT_EQ(missed(1, "run_as_mkdir_recursive: Not a directory"),
              "LTTng made no trace for 1 process (run_as_mkdir_recursive: Not a directory): it is missing, uncounted");
    EXPECT_EQ(missed(3, ""), "LTTng made no trace for 3 processes: they are missing, uncounted");
}

}  // namespace
}  // namespace tiffany::paltrace
