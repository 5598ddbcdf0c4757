#include "recorded_processes.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTitles = 5;

constexpr std::string_view kNobodyKnows = ": nobody knows";

/// A directory is called NAME-PID-DATE-TIME, and the name may hold anything.
std::optional<RecordedProcess> process_of(const std::string& directory) {
    std::string_view rest = directory;
    for (int part = 0; part < 2; ++part)  // the time, the date
        rest = rest.substr(0, std::min(rest.rfind('-'), rest.size()));
    const std::size_t dash = rest.rfind('-');
    if (dash == rest.npos || rest.size() == directory.size()) return std::nullopt;
    RecordedProcess process;
    process.name = rest.substr(0, dash);
    const std::string_view pid = rest.substr(dash + 1);
    const auto [end, error] = std::from_chars(pid.data(), pid.data() + pid.size(), process.pid);
    if (error != std::errc{} || end != pid.data() + pid.size()) return std::nullopt;
    return process;
}

/// Whether events of ours could have happened in it: the metadata declares each as a text.
bool declares_ours(const fs::path& trace) {
    std::ifstream file{trace / "metadata", std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return text.find("\"tiffany:") != std::string::npos;
}

}  // namespace

std::vector<RecordedProcess> recorded_processes(const std::string& trace, const std::vector<ctf::TraceCounts>& counts) {
    // by its name: what was recovered from a process's buffers is another trace of the same name
    std::map<fs::path, ctf::TraceCounts> by_name;
    for (const ctf::TraceCounts& count : counts) {
        ctf::TraceCounts& sum = by_name[fs::path{count.directory}.filename()];
        sum.records += count.records;
        sum.transitions += count.transitions;
        if (count.records != 0) sum.open_workers = count.open_workers;  // the last one has the end
    }
    std::vector<RecordedProcess> processes;
    std::error_code failed;
    for (fs::directory_iterator entry{fs::path{trace} / "ust" / "pid", failed}, end; !failed && entry != end;
         entry.increment(failed)) {
        std::optional<RecordedProcess> process = process_of(entry->path().filename().string());
        if (!process || !declares_ours(entry->path())) continue;
        if (const auto count = by_name.find(entry->path().filename()); count != by_name.end()) {
            process->records = count->second.records;
            process->transitions = count->second.transitions;
            process->open_workers = count->second.open_workers;
        }
        processes.push_back(std::move(*process));
    }
    std::ranges::sort(processes, [](const RecordedProcess& a, const RecordedProcess& b) {
        return std::tie(a.name, a.pid) < std::tie(b.name, b.pid);
    });
    return processes;
}

pid_t pid_in_name(const std::string& directory) {
    const std::optional<RecordedProcess> process = process_of(directory);
    return process ? process->pid : 0;
}

std::string titles_of(const std::vector<RecordedProcess>& processes) {
    std::string titles;
    const std::size_t shown = std::min(processes.size(), kMostTitles);
    for (std::size_t i = 0; i < shown; ++i)
        titles += (i == 0 ? "" : i + 1 == processes.size() ? " and " : ", ") + processes[i].title();
    if (shown < processes.size()) titles += " and " + std::to_string(processes.size() - shown) + " more";
    return titles;
}

std::string daemon_title(const std::string& daemon) {
    return daemon == "either" ? "one of LTTng's daemons" : "LTTng's " + daemon + " daemon";
}

std::string untold_end(const std::string& titles) {
    return titles + " ended, and did not tell that its workers had stopped (killed, or exit() while they worked?)";
}

std::string failure_of(const std::string& daemon, bool hung) {
    return daemon_title(daemon) + " had " + (hung ? "stopped answering" : "ended");
}

std::string rest_is_missing(const std::string& titles, const std::string& failure) {
    return "what " + titles + " did after " + failure + " is missing, and not counted";
}

std::string unwritten_is_missing(const std::string& failure) {
    return "what was done after " + failure + " is missing, and not counted";
}

std::string full_disk_took_the_rest(const std::string& titles) {
    return "what " + titles + " did after the disk was full is missing, and not counted";
}

std::string later_ones_are_missing(const std::string& failure) {
    return "if a process began after " + failure + ", it is missing, and not counted" + std::string{kNobodyKnows};
}

std::string unseen_end_of_consumer() {
    return "LTTng's consumer daemon was not found: if it ended, what was done after that is missing, and not counted" +
           std::string{kNobodyKnows};
}

bool is_known_to_be_missing(std::string_view uncounted) {
    return !uncounted.ends_with(kNobodyKnows);
}

}  // namespace tiffany::paltrace
