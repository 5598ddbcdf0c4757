// The files of a trace, before babeltrace2 sees them: [u16 size][metadata] [u16 size][index] [stream].
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <tiffany/pal/error.hpp>

#include "inputs.hpp"
#include "metadata_check.hpp"
#include "missing_buffers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const tiffany::fuzz::Folder folder;
    std::string_view rest{reinterpret_cast<const char*>(bytes), size};
    folder.write("metadata", tiffany::fuzz::take_part(rest));
    folder.write("index/chan_0.idx", tiffany::fuzz::take_part(rest));
    folder.write("chan_0", rest);
    try {
        tiffany::ctf::missing_buffers(tiffany::ctf::check_files(folder.path(), [] {}).metadata);
    } catch (const tiffany::Error& error) {
        if (error.kind() != tiffany::ErrorKind::content) std::abort();
    }
    return 0;
}
