#include "buffers.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
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
    const std::uint64_t rings =
        3 * (kMi * 5 + plan.others.bytes * (plan.others.count + 1) + plan.workers.bytes * (plan.workers.count + 1));
    EXPECT_GT(plan.process_bytes, rings) << "LTTng takes something, too";
    EXPECT_LT(plan.process_bytes, rings + 256 * kKi);
}

// In KiB, with 2 CPUs: what `df /dev/shm` says that a second process takes, with lttng-ust 2.13 on x86-64.
TEST(PlanBuffers, WhatLttngTakesItselfCounts) {
    struct Seen {
        BufferSize size;
        std::uint64_t kib;
    };
    for (const auto& [size, kib] : {Seen{{4 * kKi, 2}, 43680}, Seen{{4 * kKi, 64}, 44216}, Seen{{4 * kKi, 1024}, 52576},
                                    Seen{{64 * kKi, 256}, 76728}}) {
        const BufferPlan plan = plan_buffers({.asked = size}, room(kGi, 2));
        EXPECT_GE(plan.process_bytes, kib * kKi) << size.text();
        EXPECT_LE(plan.process_bytes, kib * kKi + 128 * kKi) << size.text();
    }
}

TEST(PlanBuffers, TicksTakeAsMuchAgain) {
    const BufferPlan without = plan_buffers({.asked = BufferSize{kMi, 4}}, room(kGi, 2));
    const BufferPlan with = plan_buffers({.asked = BufferSize{kMi, 4}, .ticks = true}, room(kGi, 2));
    const std::uint64_t more = with.process_bytes - without.process_bytes;
    EXPECT_EQ(more / kMi, 2 * 5u);
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
    EXPECT_EQ(plan.processes, 60 * kMi / plan.process_bytes) << "a sixteenth is left to others";
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

std::string refusal(const BufferWish& wish, const BufferRoom& there) {
    try {
        plan_buffers(wish, there);
    } catch (const Error& error) {
        return error.one_line();
    }
    return "";
}

TEST(PlanBuffers, ARefusalSaysWhatHasHowMuchRoomAndWhatWouldHelp) {
    const std::string asked = refusal({.asked = BufferSize{4 * kMi, 8}}, room(64 * kMi, 2));
    EXPECT_NE(asked.find("buffers of 4Mx8 take 72 MiB a process (2 CPUs), and /dev/shm has room for 60 MiB; give"),
              std::string::npos)
        << asked;
    const std::string chosen = refusal({}, room(2 * kMi, 2));
    EXPECT_NE(
        chosen.find("and half of the room in /dev/shm is 960 KiB; give /dev/shm more room, or take more than that "
                    "by --buffers 64kx4"),
        std::string::npos)
        << chosen;
    const std::string lossless = refusal({.lossless = true}, room(16 * kMi, 2));
    EXPECT_NE(lossless.find("no smaller ones are lossless: give /dev/shm more room"), std::string::npos) << lossless;
}

TEST(PlanBuffers, ARefusalProposesASmallerSizeOnlyWhereTheSmallestHasRoom) {
    constexpr std::string_view kSmaller = "give --buffers a smaller size, or /dev/shm more room";
    for (std::uint64_t free = 64 * kKi; free <= 2 * kMi; free += 64 * kKi)
        for (const std::optional<BufferSize> asked : {std::optional<BufferSize>{}, std::optional{BufferSize{kMi, 4}}}) {
            const std::string said = refusal({.asked = asked}, room(free, 2));
            if (said.find("take more than that by") != said.npos) continue;
            const bool has_room = refusal({.asked = BufferSize{4 * kKi, 2}}, room(free, 2)).empty();
            EXPECT_EQ(said.ends_with(kSmaller), has_room) << free << ": " << said;
        }
    const std::string tiny = refusal({}, room(kMi, 2));
    EXPECT_TRUE(tiny.ends_with("the smallest, 4kx2, take 975 KiB: give /dev/shm more room")) << tiny;
    const std::string least = refusal({.asked = BufferSize{4 * kKi, 2}}, room(kMi, 2));
    EXPECT_TRUE(least.ends_with("there are no smaller ones: give /dev/shm more room")) << least;
    const std::string lossless = refusal({.asked = BufferSize{4 * kMi, 16}, .lossless = true}, room(16 * kMi, 2));
    EXPECT_NE(lossless.find("the smallest, 1Mx8, take "), std::string::npos) << lossless;
}

TEST(PlanBuffers, WhatARefusalProposesIsTaken) {
    EXPECT_NO_THROW(plan_buffers({.asked = BufferSize{64 * kKi, 4}}, room(2 * kMi, 2)));
}

TEST(PlanBuffers, AllThatRunAlreadyNeedRoomForWhatIsAsked) {
    EXPECT_NO_THROW(plan_buffers({.asked = BufferSize{kMi, 8}, .processes = 2}, room(64 * kMi, 2)));
    const std::string four = refusal({.asked = BufferSize{kMi, 8}, .processes = 4}, room(64 * kMi, 2));
    EXPECT_NE(four.find("/dev/shm has room for 15 MiB for each of 4 processes"), std::string::npos) << four;
}

TEST(PlanBuffers, SaysWhyItShrank) {
    EXPECT_EQ(plan_buffers({}, room(64 * kMi, 2)).limit, "half of the room in /dev/shm is 30 MiB");
    BufferRoom little_memory = room(16 * kGi, 2);
    little_memory.memory_bytes = 64 * kMi;
    EXPECT_EQ(plan_buffers({}, little_memory).limit, "a quarter of the free memory is 16 MiB");
    EXPECT_EQ(plan_buffers({}, room(64 * kGi, 256)).limit, "more than 1024 MiB would not be ready before it begins");
    EXPECT_EQ(plan_buffers({}, room(16 * kGi, 2)).limit, "");
    EXPECT_EQ(plan_buffers({.processes = 2}, room(64 * kMi, 2)).limit,
              "half of the room in /dev/shm is 15 MiB for each of 2 processes");
    EXPECT_EQ(plan_buffers({.processes = 100}, room(4 * kGi, 2)).limit,
              "half of the room in /dev/shm is 30 MiB for each of 64 processes");
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
    EXPECT_EQ(human_bytes(2 * kMi - kKi), "2047 KiB");
    EXPECT_EQ(human_bytes(kMi), "1 MiB");
}

}  // namespace
}  // namespace tiffany::paltrace
