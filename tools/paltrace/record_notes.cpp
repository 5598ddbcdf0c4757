#include "record_notes.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "recorded_processes.hpp"
#include "salvage.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLogName = "tiffany.pal";  // of `record --convert`

/// `directory/record.json`, if the directory is a recording's.
std::optional<fs::path> record_file_in(const fs::path& directory) {
    std::error_code failed;
    fs::path file = directory / "record.json";
    return fs::is_regular_file(file, failed) ? std::optional{std::move(file)} : std::nullopt;
}

/// The recording that the directory lies in the trace of.
std::optional<fs::path> find_above(fs::path directory) {
    for (; directory.has_relative_path(); directory = directory.parent_path())
        if (directory.filename() == "trace")
            if (auto file = record_file_in(directory.parent_path())) return file;
    return std::nullopt;
}

/// The recordings that lie in the directory, at any depth, as their traces are read: other people's record.json is
/// beside no trace.
std::vector<fs::path> find_below(const fs::path& directory) {
    std::vector<fs::path> files;
    std::error_code failed;
    constexpr auto kSkip = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator entry{directory, kSkip, failed}, end; !failed && entry != end;
         entry.increment(failed)) {
        std::error_code gone;
        if (entry->path().filename() != "trace" || !entry->is_directory(gone)) continue;
        entry.disable_recursion_pending();  // a trace has many directories, and no recording
        if (auto file = record_file_in(entry->path().parent_path())) files.push_back(std::move(*file));
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<fs::path> find_record_files(const std::string& input) {
    std::error_code failed;
    const fs::path path = fs::canonical(input, failed);
    if (failed) return {};
    if (path.filename() == kLogName && fs::is_regular_file(path, failed)) {
        auto file = record_file_in(path.parent_path());
        return file ? std::vector{std::move(*file)} : std::vector<fs::path>{};
    }
    if (!fs::is_directory(path, failed)) return {};
    if (auto file = record_file_in(path)) return {*file};
    if (auto file = find_above(path)) return {*file};
    return find_below(path);
}

/// "process 812 (name), process 813 (name) and 5 more", of those processes of a record.json; empty if there are none.
template <typename Condition>
std::string titles(const nlohmann::json& json, const Condition& holds) {
    std::vector<RecordedProcess> found;
    const auto all = json.find("processes");
    if (all == json.end() || !all->is_array()) return "";
    for (const nlohmann::json& one : *all) {
        if (!one.is_object() || !holds(one)) continue;
        const auto pid = one.find("pid");
        const auto name = one.find("name");
        if (pid == one.end() || !pid->is_number_integer() || name == one.end() || !name->is_string()) continue;
        RecordedProcess& process = found.emplace_back();
        process.pid = pid->get<pid_t>();
        process.name = name->get<std::string>();
    }
    return titles_of(found);
}

/// Of a recording that was not ended in good order, and of which nobody has extracted them yet.
bool holds_unread_buffers(const fs::path& recording) {
    std::error_code failed;
    return fs::is_directory(recording / "shm-kept", failed) && !fs::exists(recording / "recovered", failed);
}

/// Adds what one recording knows, each sentence with `label` before it.
void add_notes_of(const fs::path& path, const std::string& label, RecordNotes& notes) {
    std::ifstream file{path};
    if (!file)
        throw Error{ErrorKind::system, "cannot read " + path.string() + ": " + std::string{std::strerror(errno)}};
    const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
    if (!json.is_object()) throw Error{ErrorKind::content, "cannot read " + path.string() + ": it is no JSON object"};
    const auto says_in = [](const nlohmann::json& object, const char* key) {
        const auto at = object.find(key);
        return at != object.end() && at->is_boolean() && at->get<bool>();
    };
    const auto says = [&](const char* key) { return says_in(json, key); };
    const auto doubt = [&](const std::string& sentence) { notes.doubts.push_back(label + sentence); };
    const std::string cut = titles(json, [&](const auto& process) { return says_in(process, "tail_unknown"); });
    const std::string silent = titles(json, [](const auto& process) {
        const auto transitions = process.find("transitions");
        return transitions != process.end() && transitions->is_number_integer() && *transitions == 0;
    });
    const auto processes = json.find("processes");
    const bool nobody = processes != json.end() && processes->is_array() && processes->empty();
    const auto ended = json.find("ended");
    const auto dead_daemon = json.find("dead_daemon");
    const bool lacks_daemon = dead_daemon != json.end() && dead_daemon->is_string();
    if (ended != json.end() && ended->is_null())
        doubt(
            "record.json has no end (paltrace was killed, or goes on): of the last second some may be missing, "
            "uncounted");
    else if (!cut.empty() && lacks_daemon)
        doubt(rest_is_missing(cut, dead_daemon->get<std::string>()));
    else if (!cut.empty() && says("disk_was_full"))
        doubt(full_disk_took_the_rest(cut));
    else if (!cut.empty())
        doubt(cut +
              " ended, and did not tell that its workers had stopped (killed?): of the last second some may be "
              "missing, uncounted");
    if (holds_unread_buffers(path.parent_path()))
        doubt("shm-kept has buffers that may hold more; when the recording is over: " +
              rescue_command(path.parent_path().string()));
    if (const auto by = json.find("command_signal"); by != json.end() && by->is_number_integer() && *by == SIGKILL)
        doubt("COMMAND was killed: of its last second some may be missing, uncounted");
    if (const auto count = json.find("missed_processes");
        count != json.end() && count->is_number_unsigned() && *count != 0)
        doubt(missed(count->get<std::size_t>()));
    if (says("shm_was_full"))
        doubt("/dev/shm was full while COMMAND ran: a process that started then is missing, uncounted");
    if (!silent.empty()) notes.remarks.push_back(label + "no transition was recorded of " + silent);
    if (lacks_daemon) doubt(later_ones_are_missing(dead_daemon->get<std::string>()));
    if (nobody && !lacks_daemon) notes.remarks.push_back(label + "no process with Tiffany was there to be recorded");
}

}  // namespace

RecordNotes record_notes(const std::string& input) {
    const std::vector<fs::path> files = find_record_files(input);
    RecordNotes notes;
    for (const fs::path& file : files)
        add_notes_of(file, files.size() > 1 ? file.parent_path().filename().string() + ": " : "", notes);
    return notes;
}

void warn_of_bad_record_file(const std::string& input, std::ostream& err) try {
    record_notes(input);
} catch (const Error& error) {
    err << "paltrace: " << error.one_line() << "; what the recording missed is not known\n";
}

}  // namespace tiffany::paltrace
