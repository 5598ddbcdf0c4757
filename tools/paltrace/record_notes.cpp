#include "record_notes.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

/// Empty if there is none.
fs::path find_record_file(const std::string& input) {
    std::error_code failed;
    const fs::path directory = fs::canonical(input, failed);
    if (failed || !fs::is_directory(directory, failed)) return {};
    for (const fs::path& place : {directory, directory.parent_path()}) {
        if (place != directory && directory.filename() != "trace") break;
        if (fs::is_regular_file(place / "record.json", failed)) return place / "record.json";
    }
    return {};
}

}  // namespace

std::vector<std::string> record_notes(const std::string& input) {
    const fs::path path = find_record_file(input);
    if (path.empty()) return {};
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
    if (says("tail_unknown"))
        notes.emplace_back("COMMAND was killed: of its last second some may be missing, uncounted");
    if (says("shm_was_full"))
        notes.emplace_back("/dev/shm was full while COMMAND ran: a process that started then is missing, uncounted");
    return notes;
}

}  // namespace tiffany::paltrace
