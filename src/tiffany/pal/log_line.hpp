#pragma once
/// One line of a log as an entry. Private to pal.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <tiffany/pal/record.hpp>

#include "plain_line.hpp"

namespace tiffany::pal {

enum class EntryKind : std::uint8_t { begin, record, gap, end };

/// Reads lines, one after the other. Not shared between threads.
class LineParser {
  public:
    LineParser();
    ~LineParser();
    LineParser(const LineParser&) = delete;
    LineParser& operator=(const LineParser&) = delete;

    /// How many bytes behind a text must be readable: simdjson looks at whole registers.
    static const std::size_t kPadding;

    /// Reads the line that `text` begins with if it is a record as our writers write it. `text` ends with a newline,
    /// not necessarily that of the line. Returns how long the line is with its newline; 0: it is to be parsed.
    std::size_t take(std::string_view text) { return plain_.read(text, record_); }

    /// Reads `line`, which has no newline, whatever it is. The entry is then in the member of its kind.
    /// Errors: Error (ErrorKind::content), one sentence, without the line's number.
    EntryKind parse(std::string_view line);

    const Begin& begin() const { return begin_; }
    const Record& record() const { return record_; }
    const Gap& gap() const { return gap_; }
    const End& end() const { return end_; }

  private:
    class Json;
    PlainLine plain_;
    std::unique_ptr<Json> json_;
    Begin begin_;
    Record record_;
    Gap gap_;
    End end_;
};

}  // namespace tiffany::pal
