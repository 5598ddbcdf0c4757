#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/reader.hpp>

#include "input.hpp"
#include "log_line.hpp"

namespace tiffany::pal {
namespace {

/// Cuts the input into lines without copying them.
class LineReader {
  public:
    explicit LineReader(InputFile& input) : input_{input} {}

    /// The next line without its newline, or nothing at the end. Behind it are LineParser::kPadding readable bytes. It
    /// is valid until the next call. Errors: a line longer than kMaxLine; those of the input.
    bool next(std::string_view& line) {
        line_at_ = read_ - (end_ - begin_);
        for (;;) {
            const std::string_view rest{buffer_.get() + begin_, end_ - begin_};
            if (const std::size_t newline = rest.find('\n', searched_); newline != rest.npos) {
                if (newline > kMaxLine) fail_long();
                line = rest.substr(0, newline);
                begin_ += newline + 1;
                searched_ = 0;
                return true;
            }
            searched_ = rest.size();
            if (rest.size() > kMaxLine) fail_long();
            if (fill()) continue;
            line = rest;
            begin_ = end_;
            searched_ = 0;
            is_cut_ = !line.empty();
            return is_cut_;
        }
    }

    /// Where in the log, decompressed, the line begins that `next` returned, or that it could not read.
    std::uint64_t line_at() const { return line_at_; }

    /// Whether the line that `next` returned had no newline: it is the last one, and may be cut.
    bool is_cut() const { return is_cut_; }

  private:
    static constexpr std::size_t kChunk = std::size_t{1} << 18;
    static constexpr std::size_t kCapacity = kMaxLine + 2 * kChunk;

    [[noreturn]] static void fail_long() {
        throw Error{ErrorKind::content,
                    "the line is too long: expected at most " + std::to_string(kMaxLine) + " bytes"};
    }

    /// Reads more behind `end_`. Returns false at the end of the input.
    bool fill() {
        // to the front, where the memory is in the caches, as long as more was used up than is to be moved
        if (end_ - begin_ <= begin_ || kCapacity - end_ < kChunk) {
            std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        const std::size_t bytes = input_.read({buffer_.get() + end_, kChunk});
        end_ += bytes;
        read_ += bytes;
        return bytes != 0;
    }

    InputFile& input_;
    std::unique_ptr<char[]> buffer_{new char[kCapacity + LineParser::kPadding]};
    std::size_t begin_ = 0;     // of what was not handed out
    std::size_t end_ = 0;       // of what was read
    std::size_t searched_ = 0;  // from begin_: known to hold no newline
    std::uint64_t read_ = 0;    // bytes, up to end_
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
        std::string_view line;
        while (next(lines, line)) {
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
                count(parser_.record());
                sink_.record(parser_.record());
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

    void count(const Record& record) {
        ++summary_.records;
        if (record.is_transition()) ++summary_.transitions;
        if (record.info != nullptr) return;
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
