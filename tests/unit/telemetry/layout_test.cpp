// What a transition reads shares no cache line with what another thread writes.

#include <gtest/gtest.h>

#include <tiffany/telemetry/hooks.hpp>

#include "telemetry/process.hpp"
#include "telemetry/scheduler_core.hpp"

namespace tiffany::detail {
namespace {

constexpr std::size_t kLine = 64;

std::uintptr_t line_of(const void* address) {
    return reinterpret_cast<std::uintptr_t>(address) / kLine;
}

TEST(Layout, WhatATransitionReadsOfACoreIsBeforeTheFirstLineThatIsWritten) {
    const SchedulerTelemetry telemetry{"s"};
    std::size_t cores = 0;
    Process::get().for_each_core([&](const SchedulerCore& core) {
        ++cores;
        const std::uintptr_t written = line_of(&core.closed);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&core.closed) % kLine, 0u) << "the line begins with it";
        for (const Bounds* bounds : {&core.run_bounds, &core.wait_bounds, &core.ready_bounds}) {
            EXPECT_LT(line_of(bounds), written);
            EXPECT_GE(line_of(bounds->upper_ns().data()), line_of(bounds));
            EXPECT_LT(line_of(bounds->upper_ns().data()), written) << "not in memory beside another thread's";
        }
    });
    EXPECT_GE(cores, 1u) << "a thread may hold on to an earlier one";
    EXPECT_EQ(sizeof(SchedulerCore) % kLine, 0u);
}

TEST(Layout, AWorkersHistogramsHaveLinesOfTheirOwn) {
    EXPECT_EQ(alignof(GroupShard) % kLine, 0u);
    EXPECT_EQ(sizeof(GroupShard) % kLine, 0u);
    EXPECT_EQ(alignof(Worker) % kLine, 0u);
}

TEST(Moves, LeadWhereTheCatalogueSays) {
    for (std::size_t i = 0; i < kMoves; ++i) {
        const auto move = static_cast<Move>(i);
        EXPECT_TRUE(catalogue::info(task_event(move)).to.has(state_after(move))) << label(task_event(move));
    }
}

}  // namespace
}  // namespace tiffany::detail
