#pragma once
/// What both ends of the pipe know of a frame. Private to them.

#include <array>
#include <cstdint>
#include <tiffany/tracepoints/catalogue.hpp>
#include <type_traits>

#include "read_summary.hpp"

namespace tiffany::ctf {

enum FrameKind : std::uint8_t {
    kFacts,
    kRecord,
    kDiscarded,
    kBegin,
    kGap,
    kEnd,
    kUnknown,
    kLeftOut,
    kLacks,
    kAlive,
    kFailed,
    kFinished,
    kBlock,
    kDigested,
    kLeft,
    kCut,
    kMetadata,
    kIndex,
    kBounds,
};

inline constexpr std::uint8_t kUnknownEvent = 0xff;
static_assert(kEvents < kUnknownEvent);

/// What a summary counts, in the order in which it is sent.
inline constexpr std::array kSummaryCounts{
    &ReadSummary::records,     &ReadSummary::transitions, &ReadSummary::duplicates,
    &ReadSummary::lost,        &ReadSummary::tail,        &ReadSummary::lost_others,
    &ReadSummary::unexplained, &ReadSummary::untraced,    &ReadSummary::ticks_left_out};

/// How a record's frame begins, with its size and kind. Then come the event's numbers, and the texts one after the
/// other.
struct RecordFrame {
    std::uint32_t size;
    std::uint8_t kind;
    std::uint8_t event;                ///< its EventId, or kUnknownEvent
    std::array<std::uint8_t, 2> hole;  ///< 0: two passes give the same bytes
    std::uint32_t pid;
    std::array<std::uint32_t, 4> text_bytes;  ///< the unknown event's name, the host, the event's texts
    std::uint32_t more_hole;                  ///< likewise
    std::uint64_t ts_ns;
    std::uint64_t worker;
    std::uint64_t seq;
    std::uint64_t tid;
    std::uint64_t step;
};
static_assert(std::has_unique_object_representations_v<RecordFrame>);

}  // namespace tiffany::ctf
