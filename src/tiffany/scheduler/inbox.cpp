#include "inbox.hpp"

#include <memory>

namespace tiffany::detail {

Inbox::~Inbox() {
    for (Function* function = take_functions(); function != nullptr;) {
        const std::unique_ptr<Function> dropped{std::exchange(function, function->next)};
    }
}

}  // namespace tiffany::detail
