#include "private_directory.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <tiffany/pal/error.hpp>

namespace tiffany::ctf {

std::string make_private_directory(std::size_t longest_base) {
    const char* const temporary = std::getenv("TMPDIR");
    std::string base = temporary != nullptr && temporary[0] == '/' ? temporary : "/tmp";
    if (base.size() > longest_base) base = "/tmp";
    std::string made = base + "/paltrace-XXXXXX";  // mkdtemp puts six characters there
    if (mkdtemp(made.data()) == nullptr)
        throw Error{ErrorKind::system, "cannot make a directory in " + base + ": " + std::strerror(errno)};
    return made;
}

}  // namespace tiffany::ctf
