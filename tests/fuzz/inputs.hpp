#pragma once
/// What the targets that read a trace's files share: a folder in memory, and inputs of several parts.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace tiffany::fuzz {

/// A folder in memory, with an `index` in it; gone at the end.
class Folder {
  public:
    Folder() {
        std::string name = "/dev/shm/fuzz-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
        std::filesystem::create_directory(path_ / "index");
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string path() const { return path_.string(); }
    void write(const char* name, std::string_view bytes) const {
        std::ofstream{path_ / name, std::ios::binary | std::ios::trunc} << bytes;
    }
    void remove(const char* name) const { std::filesystem::remove(path_ / name); }

  private:
    std::filesystem::path path_;
};

/// Takes the next part, [u16 size][bytes], off `rest`; what is left of it, if that is less.
inline std::string_view take_part(std::string_view& rest) {
    std::uint16_t size = 0;
    if (rest.size() < sizeof size) return {};
    std::memcpy(&size, rest.data(), sizeof size);
    rest.remove_prefix(sizeof size);
    const std::string_view taken = rest.substr(0, size);
    rest.remove_prefix(taken.size());
    return taken;
}

}  // namespace tiffany::fuzz
