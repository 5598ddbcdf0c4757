#pragma once
/// From an event's struct, where it lies in a ring, to its line of a PAL log: what pal::LogWriter makes of the record,
/// to the byte (a test holds the two against each other), without a record in between.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tiffany/pal/digits.hpp>
#include <vector>

#include "pal_outlet.hpp"

namespace tiffany::detail {

/// The fastest way to digits that a reader of logs still understands. Not shared between threads.
class PalLines {
  public:
    static constexpr std::size_t kMaxLine = 8192;  ///< no line is longer: strings are bounded, escaped or not

    /// Errors: std::bad_alloc.
    PalLines(std::string_view host, std::uint32_t pid);

    /// Writes the event's line, newline included, to `out`, where kMaxLine bytes are free. Returns its end.
    char* put(char* out, const PalEvent& event) noexcept;
    /// The same of a gap.
    char* put(char* out, const pal::Gap& gap) noexcept;

  private:
    enum class Kind : std::uint8_t { u8, u16, u32, u64, duration, enumeration, text };
    using Piece = pal::Piece;
    struct Field {
        Kind kind;
        std::uint16_t offset;  // in the struct
        std::uint16_t max_bytes;
        Piece key;                  // `,"run_ns":`
        std::vector<Piece> labels;  // of an enumeration, quoted, by number
    };
    /// What of an event's line is always the same.
    struct Plan {
        std::uint16_t seq = 0;  // offsets; 0: it has none (a struct begins with worker)
        std::uint16_t tid = 0;
        std::uint16_t step = 0;
        Piece event;  // `,"event":"Park","kind":"begin"`
        std::vector<Field> own;
    };
    static Plan plan_of(const catalogue::EventInfo& event);
    char* put_time(char* out, std::uint64_t ts_ns) noexcept;
    char* put_origin(char* out, std::uint64_t worker) noexcept;

    std::string label_;  // `,"host":"web1","pid":812,"instance":"`
    std::vector<Plan> plans_;

    std::uint64_t second_ = ~std::uint64_t{0};
    Piece up_to_second_;        // `{"v":1,"ts":"2026-11-23T15:43:08.`
    std::uint64_t worker_ = 0;  // whose origin it is
    std::size_t origin_bytes_ = 0;
    std::string origin_;  // label_ and `5f3a9c1e07b2","worker":1`; and what a copy by registers reads more
};

}  // namespace tiffany::detail
