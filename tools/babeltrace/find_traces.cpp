#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "find_inputs.hpp"
#include "named_descriptor.hpp"

namespace tiffany::ctf {

namespace fs = std::filesystem;

namespace {

/// What `paltrace record --crash-safe` keeps beside the trace: buffers, which have a file `metadata`, too, and are
/// none.
bool is_buffers_of_recording(const fs::path& directory) {
    std::error_code none;
    const fs::path name = directory.filename();
    return (name == "shm" || name == "shm-kept") && fs::is_regular_file(directory.parent_path() / "record.json", none);
}

}  // namespace

std::vector<std::string> find_traces(const std::string& path) {
    std::error_code failed;
    const fs::file_status status = fs::status(path, failed);
    if (failed || status.type() == fs::file_type::not_found)
        throw Error{ErrorKind::system,
                    "cannot read " + path + ": " + (failed ? failed.message() : std::string{std::strerror(ENOENT)})};
    if (status.type() != fs::file_type::directory)
        throw Error{ErrorKind::content, "cannot read " + path + ": it is no directory, so no trace"};
    if (descriptor_named(path) >= 0)  // a decoding process has others, and no name of a file in it
        throw Error{ErrorKind::system,
                    "cannot read " + path + ": it is a directory, which has to be given by its name"};
    std::vector<std::string> found;
    const auto look = [&found](const fs::path& directory) {
        std::error_code ignored;
        const fs::file_status metadata = fs::status(directory / "metadata", ignored);
        if (fs::exists(metadata) && !fs::is_directory(metadata)) found.push_back(directory.string());
    };
    std::vector<fs::path> to_look_at{path};
    while (!to_look_at.empty()) {
        const fs::path directory = std::move(to_look_at.back());
        to_look_at.pop_back();
        look(directory);
        fs::directory_iterator entry{directory, failed};
        for (const fs::directory_iterator none; !failed && entry != none; entry.increment(failed)) {
            std::error_code ignored;
            if (!entry->is_directory(ignored) || is_buffers_of_recording(entry->path())) continue;
            if (entry->is_symlink(ignored))
                look(entry->path());  // not below it: links can make a circle
            else
                to_look_at.push_back(entry->path());
        }
        const bool vanished = failed == std::errc::no_such_file_or_directory && directory != fs::path{path};
        if (failed && !vanished)
            throw Error{ErrorKind::system, "cannot read " + directory.string() + ": " + failed.message()};
    }
    if (found.empty())
        throw Error{ErrorKind::content,
                    "cannot read " + path + ": it holds no trace: no file \"metadata\" at or below it"};
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace tiffany::ctf
