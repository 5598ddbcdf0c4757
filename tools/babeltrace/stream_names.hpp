#pragma once
/// Which files of a trace's directory are its streams.

#include <filesystem>
#include <string>
#include <system_error>

namespace tiffany::ctf {

inline bool is_stream(const std::filesystem::directory_entry& entry) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    return name != "metadata" && !name.starts_with(".") && entry.is_regular_file(ignored);
}

/// What cannot be listed is told when the trace is read.
template <typename Do>
void for_each_stream(const std::string& directory, const Do& act) {
    std::error_code failed;
    for (std::filesystem::directory_iterator entry{directory, failed}, none; !failed && entry != none;
         entry.increment(failed))
        if (is_stream(*entry)) act(entry->path());
}

}  // namespace tiffany::ctf
