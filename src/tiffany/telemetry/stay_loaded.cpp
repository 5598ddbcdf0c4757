#include "stay_loaded.hpp"

#include <dlfcn.h>

namespace tiffany::detail {

void stay_loaded() noexcept {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&stay_loaded), &info) == 0 || info.dli_fname == nullptr) return;
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);  // the handle is not needed: it is never closed
}

}  // namespace tiffany::detail
