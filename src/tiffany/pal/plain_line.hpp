#pragma once
/// The line of a record as our own writers write it, read without a parser of JSON. Private to pal.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tiffany/pal/record.hpp>

#include "plain_plan.hpp"

namespace tiffany::pal {

/// Reads what nearly every line of a log is: a known event with its keys in the writers' order, no space between, and
/// strings of plain ASCII. It decides on nothing else: a line that it leaves may be right or wrong, and is to be read
/// by what knows all of JSON. What it takes is to be what that would make of it. Not shared between threads.
class PlainLine {
  public:
    /// How many bytes behind a text must be readable.
    static constexpr std::size_t kPadding = 64;

    PlainLine();

    /// Reads the line that `text` begins with. `text` ends with a newline, not necessarily that of the line; else the
    /// line is left. Returns how long the line is with its newline; 0 if it leaves it: what `record` holds then is not
    /// to be used.
    std::size_t read(std::string_view text, Record& record);
    /// Somebody else has written to the record that is passed to `read`.
    void forget() {
        origin_.clear();
        up_to_worker_ = 0;
    }

  private:
    // each is at a place in the text and returns where it goes on, or null
    const char* read_time(const char* at, Record& record);
    bool read_second(std::string_view front);
    const char* read_origin(const char* at, const char* end, Record& record);
    static const char* read_new_process(const char* at, Record& record);
    const char* read_event(const char* at, const PlainPlan*& plan) const;
    static const char* read_own(const char* at, const PlainPlan& plan, Record& record);

    const PlainPlans plans_;
    std::string second_;  // `{"v":1,"ts":"2026-11-23T15:43:08.` of the line before
    std::uint64_t second_ns_ = 0;
    std::string origin_;            // `Z","host":...,"worker":12` as the line before had it: the record still holds it
    std::size_t up_to_worker_ = 0;  // so much of it is `Z","host":...,"worker":`
};

}  // namespace tiffany::pal
