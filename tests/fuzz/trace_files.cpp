// The files of a trace, before babeltrace2 sees them: [u16 size][metadata] [u16 size][index] [stream].
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>

#include "metadata_check.hpp"
#include "missing_buffers.hpp"

namespace {

namespace fs = std::filesystem;

/// A folder in memory, gone at the end.
class Folder {
  public:
    Folder() {
        std::string name = "/dev/shm/fuzz-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
        fs::create_directory(path_ / "index");
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    std::string path() const { return path_.string(); }
    void write(const char* name, std::string_view bytes) const {
        std::ofstream{path_ / name, std::ios::binary | std::ios::trunc} << bytes;
    }

  private:
    fs::path path_;
};

std::string_view take(std::string_view& rest) {
    std::uint16_t size = 0;
    if (rest.size() < sizeof size) return {};
    std::memcpy(&size, rest.data(), sizeof size);
    rest.remove_prefix(sizeof size);
    const std::string_view taken = rest.substr(0, size);
    rest.remove_prefix(taken.size());
    return taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const Folder folder;
    std::string_view rest{reinterpret_cast<const char*>(bytes), size};
    folder.write("metadata", take(rest));
    folder.write("index/chan_0.idx", take(rest));
    folder.write("chan_0", rest);
    try {
        tiffany::ctf::missing_buffers(tiffany::ctf::check_files(folder.path()));
    } catch (const tiffany::Error& error) {
        if (error.kind() != tiffany::ErrorKind::content) std::abort();
    }
    return 0;
}
