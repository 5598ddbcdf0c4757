// A PAL log of any bytes, plain or compressed, is read and judged: it is good, or an Error says why not.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/lifecycle.hpp>
#include <tiffany/pal/reader.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const int file = ::memfd_create("log", MFD_CLOEXEC);
    static const std::string name = "/proc/self/fd/" + std::to_string(file);
    if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
    tiffany::pal::LifecycleChecker checker;
    try {
        tiffany::pal::read_log(name, checker);
    } catch (const tiffany::Error& error) {
        if (error.kind() != tiffany::ErrorKind::content) std::abort();
    }
    checker.finish();
    return 0;
}
