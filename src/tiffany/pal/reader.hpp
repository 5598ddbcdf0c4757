#pragma once
/// Reads a PAL log (docs/pal.md) and pushes what it holds into a sink.
///
///     LifecycleChecker checker;
///     LogSummary log = read_log("run.pal.zst", checker);

#include <cstdint>
#include <map>
#include <string>
#include <tiffany/pal/record.hpp>

namespace tiffany::pal {

/// What a reading found, beside the entries.
struct LogSummary {
    std::uint64_t lines = 0;
    std::uint64_t records = 0;      ///< without Begin, Gap and End
    std::uint64_t transitions = 0;  ///< of these
    std::uint64_t gaps = 0;
    Begin begin;
    End end;
    std::map<std::string, std::uint64_t> unknown_events;  ///< name -> how many; they were pushed
};

inline constexpr std::size_t kMaxLine = std::size_t{1} << 20;  ///< longest line that is read, bytes

/// Reads the log `path`, or the standard input for `-`; compressed by zstd or plain, whatever its name says.
///
/// Unknown keys are ignored, unknown events are pushed with `info` null. Memory is bounded, whatever the log holds.
///
/// Errors (Error; two sentences: the file, then line number, its byte in the log and the cause): the file cannot be
/// opened or read (ErrorKind::system); it is no PAL log, a line is bad, or `End` is missing or does not fit, so the log
/// was cut (ErrorKind::content). What comes before the bad line was pushed by then: a caller that wants as much as
/// there is catches the error and goes on with what it has. `sink.end` is called only for a log that has its `End`.
LogSummary read_log(const std::string& path, EntrySink& sink);

/// Whether `path` is to be read as a log rather than as a trace, which is a directory. Reads a few bytes of a regular
/// file, and nothing of a pipe. False for what is missing or cannot be opened.
bool looks_like_log(const std::string& path) noexcept;

}  // namespace tiffany::pal
