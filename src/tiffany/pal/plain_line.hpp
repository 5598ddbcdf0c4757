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
    struct OwnField {
        const catalogue::FieldInfo* info;
        std::size_t slot;  // in Record::numbers or Record::texts
        std::string key;   // `,"run_ns":`
        std::uint64_t most;
    };
    struct Plan {
        const catalogue::EventInfo* info;
        std::string kind;  // `,"kind":"begin"`, or empty
        unsigned positions = 0;
        std::vector<OwnField> own;
    };
    class Cursor;

    static constexpr std::size_t kBuckets = 256;

    static Plan plan_of(const catalogue::EventInfo& event);
    static std::size_t bucket_of(std::string_view event);

    bool read_time(Cursor& at, Record& record);
    bool read_origin(Cursor& at, Record& record);
    const Plan* read_event(Cursor& at) const;
    static bool read_own(Cursor& at, const OwnField& field, Record& record);

    std::vector<Plan> plans_;  // by EventId
    std::array<std::vector<const Plan*>, kBuckets> by_event_;
    std::string second_;  // "2026-11-23T15:43:08." of the line before
    std::uint64_t second_ns_ = 0;
    std::string origin_;  // host, pid, instance and worker as the line before had them; the record still holds them
};

}  // namespace tiffany::pal
