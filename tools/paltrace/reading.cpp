#include "reading.hpp"

#include <ostream>

namespace tiffany::paltrace {
namespace {

void print_unknown(const char* what, const std::map<std::string, std::uint64_t>& unknown, std::ostream& err) {
    for (const auto& [name, count] : unknown)
        err << "paltrace: unknown " << what << ' ' << name << ": " << count << " times (from a newer catalogue?)\n";
}

}  // namespace

void print_remarks(const ctf::ReadSummary& summary, bool strict, std::ostream& err) {
    for (const std::string& part : summary.bad_parts)
        err << "paltrace: " << part << '\n';
    print_unknown("event", summary.unknown_events, err);
    print_unknown("field", summary.unknown_fields, err);
    if (!summary.selection.empty()) {
        err << "paltrace: this is a selection, only these events were recorded:";
        for (const std::string& event : summary.selection)
            err << ' ' << event;
        err << '\n';
    }
    if (summary.unexplained != 0 && !strict)  // else it is among the bad parts
        err << "paltrace: " << ctf::unexplained_remark(summary.unexplained) << '\n';
    if (summary.untraced != 0)
        err << "paltrace: " << summary.untraced << " transitions were not traced, as the session was off\n";
}

std::string loss_remark(const ctf::ReadSummary& summary) {
    if (summary.lost == 0) return "";
    return std::string{summary.at_most ? ", at most " : ", "} + std::to_string(summary.lost) + " transitions lost";
}

ExitCode exit_code(const ctf::ReadSummary& summary) {
    ExitCode code = ExitCode::good;
    if (summary.lost != 0) code = worse(code, ExitCode::lost);
    if (!summary.bad_parts.empty()) code = worse(code, ExitCode::bad_content);
    if (summary.refused) code = worse(code, ExitCode::system);
    return code;
}

}  // namespace tiffany::paltrace
