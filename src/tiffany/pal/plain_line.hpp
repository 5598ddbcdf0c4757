#pragma once
/// The line of a record as our own writers write it, read without a parser of JSON. Private to pal.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "line_plan.hpp"

namespace tiffany::pal {

/// Reads what nearly every line of a log is: a known event with its keys in the writers' order, no space between, and
/// strings of plain ASCII. It decides on nothing else: a line that it leaves may be right or wrong, and is to be read
/// by what knows all of JSON. What it takes is to be what that would make of it. Not shared between threads.
class PlainLine {
  public:
    PlainLine();

    /// Returns false if it leaves the line; what `record` holds then is not to be used.
    bool read(std::string_view line, Record& record);
    /// Somebody else has written to the record that is passed to `read`.
    void forget() { origin_.clear(); }

  private:
    class Cursor;

    static constexpr std::size_t kBuckets = 256;

    static std::size_t bucket_of(std::string_view event);

    bool read_time(Cursor& at, Record& record);
    bool read_origin(Cursor& at, Record& record);
    const LinePlan* read_event(Cursor& at) const;
    static bool read_own(Cursor& at, const LinePlan::OwnField& field, Record& record);

    const std::vector<LinePlan> plans_ = make_line_plans();
    std::array<std::vector<const LinePlan*>, kBuckets> by_event_;
    std::string second_;  // "2026-11-23T15:43:08." of the line before
    std::uint64_t second_ns_ = 0;
    std::string origin_;  // host, pid, instance and worker as the line before had them; the record still holds them
};

}  // namespace tiffany::pal
