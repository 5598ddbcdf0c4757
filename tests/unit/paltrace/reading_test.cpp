#include "reading.hpp"

#include <gtest/gtest.h>

#include <string>

#include "record_notes.hpp"
#include "recorded_processes.hpp"

namespace tiffany::paltrace {
namespace {

std::string bound_beside(const std::string& record_json) {
    ctf::ReadSummary summary;
    summary.uncounted = doubts_in(record_json);
    return bound_of_lost(summary);
}

TEST(BoundOfLost, IsAtLeastWhereverSomethingIsMissingUncounted) {
    EXPECT_EQ(bound_beside(R"({"ended": null})"), "at least ");
    EXPECT_EQ(bound_beside(R"({"ended": "", "disk_was_full": true, "records": null})"), "at least ");
    EXPECT_EQ(bound_beside(R"({"ended": "", "command_signal": 9})"), "at least ");
    EXPECT_EQ(bound_beside(R"({"ended": "", "hung_daemon": "either", "hangs_on": true})"), "at least ");
    EXPECT_EQ(bound_beside(R"({"ended": "", "shm_was_full": true})"), "at least ");
    EXPECT_EQ(bound_beside(R"({"ended": "", "command": ["run"], "command_status": null})"), "at least ");
    EXPECT_EQ(bound_beside(R"({"ended": "", "command": ["run"], "command_status": 3})"), "");
    EXPECT_EQ(bound_beside(R"({"ended": "", "command": [], "command_status": null})"), "");
    EXPECT_EQ(bound_beside(R"({"ended": ""})"), "");
}

TEST(BoundOfLost, IsExactBesideADaemonThatWasKilledWhereNobodyKnowsOfMore) {
    EXPECT_EQ(bound_beside(R"({"ended": "", "dead_daemon": "consumer"})"), "");
    const std::string cut = R"("processes": [{"pid": 12, "name": "pool", "tail_unknown": true}])";
    EXPECT_EQ(bound_beside(R"({"ended": "", "dead_daemon": "consumer", )" + cut + "}"), "at least ");
}

TEST(BoundOfLost, IsExactWhereOnlyTheConsumerDaemonWasNotFound) {
    EXPECT_EQ(doubts_in(R"({"ended": "", "consumer_found": true})").size(), 0u);
    EXPECT_EQ(doubts_in(R"({"ended": "", "consumer_found": false})").size(), 1u);
    EXPECT_EQ(bound_beside(R"({"ended": "", "consumer_found": false})"), "");
}

TEST(BoundOfLost, SaysBothOfAnUpperBound) {
    ctf::ReadSummary summary;
    summary.at_most = true;
    EXPECT_EQ(bound_of_lost(summary), "at most ");
    summary.uncounted = {"label: something is missing, uncounted"};
    EXPECT_EQ(bound_of_lost(summary), "counted at most ");
    summary.uncounted = {"label: " + later_ones_are_missing(failure_of("either", true))};
    EXPECT_EQ(bound_of_lost(summary), "at most ");
}

TEST(FailureOf, NamesADaemonOnlyIfItIsKnown) {
    EXPECT_EQ(failure_of("consumer", false), "LTTng's consumer daemon had ended");
    EXPECT_EQ(failure_of("either", true), "one of LTTng's daemons had stopped answering");
}

}  // namespace
}  // namespace tiffany::paltrace
