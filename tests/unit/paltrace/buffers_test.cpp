#include "buffers.hpp"

#include <gtest/gtest.h>

#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kMi = 1024 * kKi;
constexpr std::uint64_t kGi = 1024 * kMi;

BufferRoom room(std::uint64_t free_bytes, unsigned cpus) {
    return {.where = "/dev/shm", .free_bytes = free_bytes, .memory_bytes = 1024 * kGi, .cpus = cpus};
}

ErrorKind kind_of_failure(const BufferWish& wish, const BufferRoom& there) {
    try {
        plan_buffers(wish, there);
    } catch (const Error& error) {
        return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::content;
}

TEST(ParseBuffers, TakesBytesAndBothUnits) {
    EXPECT_EQ(parse_buffers("4096x2"), (BufferSize{4096, 2}));
    EXPECT_EQ(parse_buffers("4kx2"), (BufferSize{4 * kKi, 2}));
    EXPECT_EQ(parse_buffers("4Mx8"), (BufferSize{4 * kMi, 8}));
}

TEST(ParseBuffers, ReadsWhatItPrints) {
    for (const char* const text : {"4kx2", "512kx4", "1Mx8", "64Mx16"})
        EXPECT_EQ(parse_buffers(text).text(), text);
}

TEST(ParseBuffers, RefusesWhatLttngWouldRoundOrMisread) {
    for (const char* const text :
         {"", "x", "4M", "4Mx", "x8", "4Mx3", "3Mx8", "2kx8", "4Mx1", "4Mx0", "0x8", "4Mx8x2", "4Mx8k", "4Gx8", "-4Mx8",
          "4M x8", "99999999999999999999x8", "18446744073709551615Mx2"})
        try {
            parse_buffers(text);
            ADD_FAILURE() << text << " was taken";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::usage) << text;
        }
}

TEST(PlanBuffers, ASpareSubBufferOfEachRingAndCpuCounts) {
    const BufferPlan plan = plan_buffers({.asked = BufferSize{kMi, 4}}, room(kGi, 3));
    EXPECT_EQ(plan.process_bytes, 3 * (kMi * 5 + plan.others.bytes * (plan.others.count + 1) +
                                       plan.workers.bytes * (plan.workers.count + 1)));
}

TEST(PlanBuffers, TicksTakeAsMuchAgain) {
    const BufferPlan without = plan_buffers({.asked = BufferSize{kMi, 4}}, room(kGi, 2));
    const BufferPlan with = plan_buffers({.asked = BufferSize{kMi, 4}, .ticks = true}, room(kGi, 2));
    EXPECT_EQ(with.process_bytes - without.process_bytes, 2 * kMi * 5);
}

TEST(PlanBuffers, NeverTakesMoreThanHalfOfTheRoom) {
    for (std::uint64_t free = 4 * kMi; free <= 16 * kGi; free *= 2)
        EXPECT_LE(plan_buffers({}, room(free, 2)).process_bytes, free / 2) << free;
}

// By them loss is counted: 140 bytes at most that a worker begins and ends.
TEST(PlanBuffers, SomeHundredsOfWorkersFindRoomOnEachCpuWhateverThereIs) {
    for (std::uint64_t free = 4 * kMi; free <= 16 * kGi; free *= 2) {
        const BufferSize size = plan_buffers({}, room(free, 2)).workers;
        EXPECT_GE(size.bytes * size.count, 450u * 140) << free;
    }
    const BufferPlan squeezed = plan_buffers({.asked = BufferSize{kMi, 8}}, room(22 * kMi, 2));
    EXPECT_GE(squeezed.workers.bytes * squeezed.workers.count, 450u * 140);
}

TEST(PlanBuffers, SaysWhetherItShrank) {
    EXPECT_FALSE(plan_buffers({}, room(16 * kGi, 2)).shrunk);
    EXPECT_TRUE(plan_buffers({}, room(64 * kMi, 2)).shrunk);  // what Docker gives
    EXPECT_TRUE(plan_buffers({}, room(kGi, 64)).shrunk);
}

TEST(PlanBuffers, LooksAtTheMemoryTooNotOnlyAtTheFileSystem) {
    BufferRoom there = room(16 * kGi, 2);
    there.memory_bytes = 64 * kMi;
    EXPECT_LE(plan_buffers({}, there).process_bytes, 16 * kMi);
}

TEST(PlanBuffers, TakesWhatIsAskedAsItIs) {
    EXPECT_EQ(plan_buffers({.asked = BufferSize{4 * kKi, 2}}, room(kGi, 2)).transitions, (BufferSize{4 * kKi, 2}));
}

TEST(PlanBuffers, SaysHowManyProcessesHaveRoomAtATime) {
    const BufferPlan plan = plan_buffers({}, room(64 * kMi, 2));
    EXPECT_EQ(plan.processes, 64 * kMi / plan.process_bytes);
    EXPECT_EQ(plan_buffers({.asked = BufferSize{16 * kMi, 2}}, room(128 * kMi, 2)).processes, 1u);
}

TEST(PlanBuffers, NeverTakesMoreThanCanBeReadyBeforeTheCommand) {
    EXPECT_EQ(kind_of_failure({.asked = BufferSize{64 * kMi, 16}}, room(64 * kGi, 2)), ErrorKind::usage);
    EXPECT_NO_THROW(plan_buffers({.asked = BufferSize{16 * kMi, 16}}, room(64 * kGi, 2)));
    EXPECT_LE(plan_buffers({}, room(64 * kGi, 256)).process_bytes, kMostOfAProcess);
}

TEST(PlanBuffers, RefusesWhatDoesNotFit) {
    EXPECT_EQ(kind_of_failure({.asked = BufferSize{4 * kMi, 8}}, room(64 * kMi, 2)), ErrorKind::system);
    EXPECT_EQ(kind_of_failure({}, room(kMi, 2)), ErrorKind::system);
    EXPECT_EQ(kind_of_failure({}, room(0, 1)), ErrorKind::system);
}

TEST(PlanBuffers, NeverShrinksLosslessBelowWhatIsLossless) {
    EXPECT_EQ(kind_of_failure({.lossless = true}, room(16 * kMi, 2)), ErrorKind::system);
    EXPECT_EQ(kind_of_failure({.asked = BufferSize{64 * kKi, 8}, .lossless = true}, room(kGi, 2)), ErrorKind::usage);
    EXPECT_GE(plan_buffers({.lossless = true}, room(64 * kMi, 2)).transitions.bytes, kMi);
}

TEST(HumanBytes, PicksTheUnit) {
    EXPECT_EQ(human_bytes(17), "17 bytes");
    EXPECT_EQ(human_bytes(4 * kKi), "4 KiB");
    EXPECT_EQ(human_bytes(72 * kMi), "72 MiB");
}

}  // namespace
}  // namespace tiffany::paltrace
