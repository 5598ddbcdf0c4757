#pragma once
/// What the commands that read inputs say of a reading, and how they exit after it.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <sstream>
#include <string>
#include <tiffany/pal/output.hpp>

#include "exit_code.hpp"
#include "tools/babeltrace/digest.hpp"

namespace tiffany::paltrace {

/// Errors: ErrorKind::usage if it is the socket of a log (`TIFFANY_PAL=unix:SOCKET`), which cannot be read like a file.
void need_no_socket(const std::string& input);

/// Digests one INPUT: a trace directory, or a PAL log (`-`: on the standard input), which is taken as it is: its gaps
/// and its end are what whoever made it saw. A part that is bad goes into `bad_parts`; what comes before it was taken.
/// Errors: throws `Error` if the input could not be read at all.
ctf::Digested digest_input(const std::string& input, const ctf::ReadOptions& options, ctf::Digest& digest,
                           ctf::Outlet& out);

/// Where a digest writes what is printed when all is known. It is kept in memory, so of another process, which decodes
/// what is not trusted, no more than 256 MiB are taken.
class Page {
  public:
    ctf::Outlet& out() { return out_; }
    std::string text() const { return text_.str(); }

  private:
    static constexpr std::uint64_t kMostOfAnother = std::uint64_t{256} << 20;

    std::ostringstream text_;
    pal::OutputFile file_{"-", text_};
    ctf::Outlet out_{file_, kMostOfAnother};
};

/// What tells `err` of a decoder that came to a bad end, for ReadOptions::tell.
std::function<void(const std::string&)> teller(std::ostream& err);

/// One line for each part that could not be read, and for what was not known.
void print_remarks(const ctf::ReadSummary& summary, bool strict, std::ostream& err);

/// What stands before the number of what was lost: "at most ", or "at least " where something else is missing, and not
/// counted; "" if the number is exact.
std::string bound_of_lost(const ctf::ReadSummary& summary);

/// The same, for who knows whether that is so of what the number is said of.
std::string bound_of_lost(const ctf::ReadSummary& summary, bool more_uncounted);

/// ", 12 transitions lost"; empty if nothing was lost.
std::string loss_remark(const ctf::ReadSummary& summary);

ExitCode exit_code(const ctf::ReadSummary& summary);

}  // namespace tiffany::paltrace
