// tiffany_bpf.h and event_structs.hpp declare the same bytes; most of this test is done by the compiler.

#include <gtest/gtest.h>

#include <cstddef>
#include <tiffany/tracepoints/event_structs.hpp>

// Its macros have the names of ours; its version must be ours too.
namespace in_c {
#include <tiffany/tracepoints/tiffany_bpf.h>
constexpr int kVersion = TIFFANY_CATALOGUE_VERSION;
}  // namespace in_c
#undef TIFFANY_CATALOGUE_VERSION

#include <tiffany/tracepoints/catalogue.hpp>

namespace {

static_assert(in_c::kVersion == tiffany::catalogue::kVersion);

#define TIFFANY_SAME(field)                                      \
    static_assert(offsetof(Cpp, field) == offsetof(InC, field)); \
    static_assert(sizeof(Cpp::field) == sizeof(InC::field));
#define TIFFANY_WORKER() TIFFANY_SAME(worker)
#define TIFFANY_TID() TIFFANY_SAME(tid)
#define TIFFANY_SEQ() TIFFANY_SAME(seq)
#define TIFFANY_STEP() TIFFANY_SAME(step)
#define TIFFANY_PID() TIFFANY_SAME(pid)
#define TIFFANY_U8(name, meaning) TIFFANY_SAME(name)
#define TIFFANY_U16(name, meaning) TIFFANY_SAME(name)
#define TIFFANY_U32(name, meaning) TIFFANY_SAME(name)
#define TIFFANY_U64(name, meaning) TIFFANY_SAME(name)
#define TIFFANY_DURATION(name, meaning) TIFFANY_SAME(name)
#define TIFFANY_ENUM(name, enumeration, meaning) TIFFANY_SAME(name)
#define TIFFANY_STRING(name, bytes, meaning) TIFFANY_SAME(name)
#define TIFFANY_STRUCT(name, fields)               \
    [[maybe_unused]] void compare_##name() {       \
        using Cpp = ::name;                        \
        using InC = in_c::name;                    \
        static_assert(sizeof(Cpp) == sizeof(InC)); \
        fields                                     \
    }
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    TIFFANY_STRUCT(tiffany_task_##verb, TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) TIFFANY_STRUCT(tiffany_##verb, fields)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_STRUCT(tiffany_tick_##verb, fields)
#include <tiffany/tracepoints/task_events.def>

TEST(BpfHeader, GivesTheOffsetOfAStringForTheKeyOfAMap) {
    EXPECT_EQ(TIFFANY_AT_TASK_SPAWNED_SITE, offsetof(tiffany_task_spawned, site));
    EXPECT_EQ(TIFFANY_AT_TASK_FAILED_ERROR, offsetof(tiffany_task_failed, error));
}

TEST(BpfHeader, NumbersTheClosedSetsAsTheEventsDo) {
    EXPECT_EQ(TIFFANY_WAIT_KIND_IOWAIT, static_cast<int>(tiffany::WaitKind::iowait));
    EXPECT_EQ(TIFFANY_TASK_STATE_CANCELLED, static_cast<int>(tiffany::TaskState::Cancelled));
}

}  // namespace
