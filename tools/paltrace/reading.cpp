#include "reading.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <string_view>
#include <tiffany/pal/reader.hpp>

#include "notice.hpp"
#include "process_table.hpp"
#include "recorded_processes.hpp"

namespace tiffany::paltrace {
namespace {

/// Hands everything on, and keeps what the log says of its losses.
class Watched : public pal::EntrySink {
  public:
    Watched(const std::string& path, pal::EntrySink& sink) : path_{path}, sink_{sink} {}

    void begin(const pal::Begin& begin) override {
        some = true;
        seen.selection = begin.events;
        sink_.begin(begin);
    }
    void record(const pal::Record& record) override {
        some = true;
        ++seen.records;
        if (record.is_transition()) ++seen.transitions;
        sink_.record(record);
    }
    void gap(const pal::Gap& gap) override {
        seen.lost += gap.lost;  // until the end says it all
        if (!gap.explained) seen.unexplained += gap.lost;
        seen.untraced += gap.to_seq - gap.from_seq + 1 - gap.lost;
        sink_.gap(gap);
    }
    void end(const pal::End& end) override {
        seen.lost = end.lost;
        seen.tail = end.tail;
        seen.at_most = end.at_most;
        seen.lost_others = end.lost_others;
        seen.uncounted = end.uncounted;
        if (end.bad_parts != 0) seen.bad_parts.push_back(ctf::bad_parts_remark(path_, end.bad_parts));
        sink_.end(end);
    }

    ctf::ReadSummary seen;
    bool some = false;  // anything at all was read

  private:
    const std::string& path_;
    pal::EntrySink& sink_;
};

ctf::ReadSummary read_one_log(const std::string& path, bool strict, pal::EntrySink& sink) {
    Watched watched{path, sink};
    try {
        const pal::LogSummary log = pal::read_log(path, watched);
        watched.seen.unknown_events = log.unknown_events;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::system || !watched.some) throw;
        // who writes a log has it locked
        const pid_t writer = locker_of(path);
        watched.seen.bad_parts.push_back(error.one_line() +
                                         (writer == 0 ? ""
                                                      : "; process " + std::to_string(writer) + " (" + name_of(writer) +
                                                            ") is writing it: look again when that has ended"));
    }
    if (strict && watched.seen.unexplained != 0)
        watched.seen.bad_parts.push_back(ctf::unexplained_remark(watched.seen.unexplained));
    return std::move(watched.seen);
}

void print_unknown(const char* what, const std::map<std::string, std::uint64_t>& unknown, std::ostream& err) {
    for (const auto& [name, count] : unknown)
        Notice{err} << "unknown " << what << ' ' << name << ": " << count << " times (from a newer catalogue?)";
}

}  // namespace

void need_no_socket(const std::string& input) {
    constexpr std::string_view kScheme = "unix:";  // as in TIFFANY_PAL
    std::error_code failed;
    const std::string path =
        input.starts_with(kScheme) && !std::filesystem::exists(input, failed) ? input.substr(kScheme.size()) : input;
    if (std::filesystem::is_socket(path, failed))
        throw Error{ErrorKind::usage, "cannot read " + input +
                                          ": it is a socket, which serves a log from now until its process ends; to "
                                          "read that: curl -sSN --http0.9 --unix-socket " +
                                          path + " http://log | paltrace check -"};
}

ctf::Digested digest_input(const std::string& input, const ctf::ReadOptions& options, ctf::Digest& digest,
                           ctf::Outlet& out) {
    need_no_socket(input);
    std::error_code failed;
    if (input != "-" && std::filesystem::is_directory(input, failed))
        return ctf::digest_inputs({input}, options, digest, out);
    ctf::Digested made;
    made.seen = read_one_log(input, options.strict, digest.entries());
    if (options.uncounted) ctf::add_sentences(made.seen.uncounted, options.uncounted(made.seen));
    made.findings = digest.finish(made.seen);
    return made;
}

std::function<void(const std::string&)> teller(std::ostream& err) {
    return [&err](const std::string& what) { Notice{err} << what; };
}

void print_remarks(const ctf::ReadSummary& summary, bool strict, std::ostream& err) {
    for (const std::string& trace : summary.lent)
        Notice{err} << trace;
    for (const std::string& part : summary.bad_parts)
        Notice{err} << part;
    print_unknown("event", summary.unknown_events, err);
    print_unknown("field", summary.unknown_fields, err);
    if (!summary.selection.empty()) {
        Notice notice{err};
        notice << "this is a selection, only these events were recorded:";
        for (const std::string& event : summary.selection)
            notice << ' ' << event;
    }
    if (summary.unexplained != 0 && !strict)  // else it is among the bad parts
        Notice{err} << ctf::unexplained_remark(summary.unexplained);
    if (summary.untraced != 0)
        Notice{err} << summary.untraced << " transitions were not traced: the session was off, or not ready yet";
}

std::string bound_of_lost(const ctf::ReadSummary& summary, bool more_uncounted) {
    if (summary.at_most) return more_uncounted ? "counted at most " : "at most ";
    return more_uncounted ? "at least " : "";
}

std::string bound_of_lost(const ctf::ReadSummary& summary) {
    return bound_of_lost(summary, std::ranges::any_of(summary.uncounted, is_known_to_be_missing));
}

std::string loss_remark(const ctf::ReadSummary& summary) {
    std::string said;
    if (summary.lost != 0) said = ", " + bound_of_lost(summary) + std::to_string(summary.lost) + " transitions lost";
    if (summary.lost_others != 0) said += ", at least " + std::to_string(summary.lost_others) + " other events lost";
    return said;
}

ExitCode exit_code(const ctf::ReadSummary& summary) {
    ExitCode code = ExitCode::good;
    if (summary.lost != 0 || summary.lost_others != 0) code = worse(code, ExitCode::lost);
    if (!summary.bad_parts.empty()) code = worse(code, ExitCode::bad_content);
    if (summary.refused) code = worse(code, ExitCode::system);
    return code;
}

}  // namespace tiffany::paltrace
