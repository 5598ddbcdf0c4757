#include "record_notes.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <tiffany/pal/error.hpp>
#include <utility>

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

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
    const fs::path directory = fs::canonical(input, failed);
    if (failed || !fs::is_directory(directory, failed)) return {};
    if (auto file = record_file_in(directory)) return {*file};
    if (auto file = find_above(directory)) return {*file};
    return find_below(directory);
}

std::vector<std::string> notes_of(const fs::path& path) {
    std::ifstream file{path};
    if (!file)
        throw Error{ErrorKind::system, "cannot read " + path.string() + ": " + std::string{std::strerror(errno)}};
    const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
    if (!json.is_object()) throw Error{ErrorKind::content, "cannot read " + path.string() + ": it is no JSON object"};
    const auto says = [&json](const char* key) {
        const auto at = json.find(key);
        return at != json.end() && at->is_boolean() && at->get<bool>();
    };
    std::vector<std::string> notes;
    const auto ended = json.find("ended");
    if (ended != json.end() && ended->is_null())
        notes.emplace_back(
            "record.json has no end (paltrace was killed, or goes on): of the last second some may be missing, "
            "uncounted");
    else if (says("tail_unknown"))
        notes.emplace_back("COMMAND was killed: of its last second some may be missing, uncounted");
    if (says("shm_was_full"))
        notes.emplace_back("/dev/shm was full while COMMAND ran: a process that started then is missing, uncounted");
    return notes;
}

}  // namespace

std::vector<std::string> record_notes(const std::string& input) {
    const std::vector<fs::path> files = find_record_files(input);
    std::vector<std::string> notes;
    for (const fs::path& file : files)
        for (std::string& note : notes_of(file))
            notes.push_back((files.size() > 1 ? file.parent_path().filename().string() + ": " : "") + std::move(note));
    return notes;
}

void warn_of_bad_record_file(const std::string& input, std::ostream& err) try {
    record_notes(input);
} catch (const Error& error) {
    err << "paltrace: " << error.one_line() << "; what the recording missed is not known\n";
}

}  // namespace tiffany::paltrace
