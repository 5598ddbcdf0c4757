#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/reader.hpp>

#include "chunked_input.hpp"
#include "log_line.hpp"

namespace tiffany::pal {
namespace {

/// Cuts the input into lines without copying them.
class LineReader {
  public:
    explicit LineReader(InputFile& input) : input_{input, kMaxLine, LineParser::kPadding}, text_{input_.empty()} {}

    /// What was read of the input and not handed out yet, with a newline behind it, and behind that
    /// LineParser::kPadding readable bytes. It is valid until `next` is called.
    std::string_view rest() const { return {text_.data(), text_.size() + 1}; }
    /// Hands out the line that `rest` begins with, so many bytes with its newline. Returns false, and does nothing, if
    /// that is the newline behind, so that there may be more of the line, or if it is too long.
    bool skip(std::size_t bytes) {
        if (bytes > text_.size() || bytes > kMaxLine) return false;
        line_at_ = next_at_;
        hand_out(bytes);
        return true;
    }

    /// The next line without its newline, or nothing at the end. Behind it are LineParser::kPadding readable bytes. It
    /// is valid until the next call. Errors: a line longer than kMaxLine; those of the input.
    bool next(std::string_view& line) {
        line_at_ = next_at_;
        for (std::size_t searched = 0;;) {
            const std::size_t newline = text_.find('\n', searched);
            if (std::min(newline, text_.size()) > kMaxLine)
                throw Error{ErrorKind::content,
                            "the line is too long: expected at most " + std::to_string(kMaxLine) + " bytes"};
            if (newline != text_.npos) {
                line = text_.substr(0, newline);
                hand_out(newline + 1);
                return true;
            }
            searched = text_.size();
            text_ = input_.longer(text_);
            if (text_.size() != searched) continue;
            line = text_;
            hand_out(text_.size());
            is_cut_ = !line.empty();
            return is_cut_;
        }
    }

    /// Whether the line that `next` returned had no newline: it is the last one, and may be cut.
    bool is_cut() const { return is_cut_; }
    /// Where the line that was handed out last begins, or the one that `next` failed at: bytes before it.
    std::uint64_t line_at() const { return line_at_; }

  private:
    void hand_out(std::size_t bytes) {
        text_.remove_prefix(bytes);
        next_at_ += bytes;
    }

    ChunkedInput input_;
    std::string_view text_;      // what was not handed out
    std::uint64_t next_at_ = 0;  // its place in the input
    std::uint64_t line_at_ = 0;
    bool is_cut_ = false;
};

/// The order of entries: Begin, then records and gaps, then End and nothing more.
class LogReader {
  public:
    LogReader(const std::string& path, EntrySink& sink)
        : name_{path == "-" ? std::string{"from the standard input"} : path}, sink_{sink} {}

    LogSummary read(InputFile& input) {
        LineReader lines{input};
        for (;;) {
            if (const std::size_t bytes = parser_.take(lines.rest());
                bytes != 0 && may_be_record() && lines.skip(bytes)) {
                ++summary_.lines;
                line_at_ = lines.line_at();
                push_record();
                continue;
            }
            std::string_view line;
            if (!next(lines, line)) break;
            ++summary_.lines;
            line_at_ = lines.line_at();
            push(parse(line, lines.is_cut()));
        }
        if (summary_.lines == 0) throw cannot_read("this is no PAL log: it is empty");
        if (!has_end_)
            throw cannot_read("the log was cut: it has no End, " + where(summary_.lines, line_at_) +
                              " is the last one");
        return std::move(summary_);
    }

  private:
    static constexpr std::size_t kMaxUnknownNames = 1000;  // a bound against hostile logs

    Error cannot_read(const std::string& why) const {
        return Error{ErrorKind::content, why}.within("cannot read log " + name_);
    }
    static std::string where(std::uint64_t line, std::uint64_t at) {
        return "line " + std::to_string(line) + " at byte " + std::to_string(at);
    }
    Error cannot_read_line(const std::string& why) const {
        return cannot_read(where(summary_.lines, line_at_) + ": " + why);
    }

    bool next(LineReader& lines, std::string_view& line) const {
        try {
            return lines.next(line);
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::system) throw;  // it names the file already
            throw cannot_read(where(summary_.lines + 1, lines.line_at()) + ": " + error.one_line());
        }
    }

    EntryKind parse(std::string_view line, bool may_be_cut) {
        try {
            const EntryKind kind = parser_.parse(line);
            check_order(kind);
            return kind;
        } catch (const Error& error) {
            if (summary_.lines == 1) throw cannot_read("this is no PAL log: " + where(1, 0) + ": " + error.one_line());
            throw cannot_read_line((may_be_cut ? "the log was cut here: " : "") + error.one_line());
        }
    }

    /// Whether a record may come next. If not, whoever reads the line as any other has the message.
    bool may_be_record() const { return summary_.lines != 0 && !has_end_; }

    void check_order(EntryKind kind) const {
        if (summary_.lines == 1 && kind != EntryKind::begin)
            throw Error{ErrorKind::content, "expected Begin, the first entry of a log"};
        if (has_end_) throw Error{ErrorKind::content, "expected nothing after End"};
        if (summary_.lines > 1 && kind == EntryKind::begin)
            throw Error{ErrorKind::content, "a second Begin: these are two logs in one"};
    }

    // outside the try of `parse`: what the sink throws (a disk is full) is no fault of the log
    void push(EntryKind kind) {
        switch (kind) {
            case EntryKind::begin:
                summary_.begin = parser_.begin();
                sink_.begin(parser_.begin());
                break;
            case EntryKind::record:
                push_record();
                break;
            case EntryKind::gap:
                ++summary_.gaps;
                sink_.gap(parser_.gap());
                break;
            case EntryKind::end:
                has_end_ = true;
                summary_.end = parser_.end();
                sink_.end(parser_.end());
                if (summary_.end.records != summary_.records)
                    throw cannot_read_line("End tells of " + std::to_string(summary_.end.records) + " records, found " +
                                           std::to_string(summary_.records));
                break;
        }
    }

    void push_record() {
        count(parser_.record());
        sink_.record(parser_.record());
    }

    void count(const Record& record) {
        ++summary_.records;
        if (record.is_transition()) ++summary_.transitions;
        if (record.info == nullptr) count_unknown(record);
    }

    // apart, so that what is called for each record is short
    [[gnu::noinline]] void count_unknown(const Record& record) {
        const bool is_new = !summary_.unknown_events.contains(record.unknown);
        ++summary_.unknown_events[is_new && summary_.unknown_events.size() >= kMaxUnknownNames ? "(others)"
                                                                                               : record.unknown];
    }

    std::string name_;
    EntrySink& sink_;
    LineParser parser_;
    LogSummary summary_;
    std::uint64_t line_at_ = 0;
    bool has_end_ = false;
};

}  // namespace

LogSummary read_log(const std::string& path, EntrySink& sink) {
    InputFile input{path};
    return LogReader{path, sink}.read(input);
}

bool looks_like_log(const std::string& path) noexcept {
    if (path == "-") return true;
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0 || S_ISDIR(file.st_mode)) return false;
    if (!S_ISREG(file.st_mode)) return true;  // a fifo: looking would take its bytes away
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return false;
    std::array<char, 4> front{};
    const ssize_t bytes = ::read(fd, front.data(), front.size());
    ::close(fd);
    if (bytes < 0) return false;
    // an empty file is no trace either; the reader has the better message
    return bytes == 0 || front[0] == '{' || has_zstd_magic({front.data(), static_cast<std::size_t>(bytes)});
}

}  // namespace tiffany::pal
