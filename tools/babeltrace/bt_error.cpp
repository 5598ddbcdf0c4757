#include "bt_error.hpp"

#include <babeltrace2/babeltrace.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiffany::ctf {
namespace {

struct Release {
    void operator()(const bt_error* error) const noexcept { bt_error_release(error); }
};

// The rest of such a sentence, from its first address on, is for babeltrace2's own developers.
std::string without_addresses(std::string message) {
    std::size_t at = message.find("-addr=");
    if (at == std::string::npos) return message;
    while (at != 0 && message[at - 1] != ' ' && message[at - 1] != ',')
        --at;
    message.resize(at);
    return message;
}

// "Cannot do it: this-addr=0x55d0, name=\"x\"." -> "Cannot do it"
std::string shortened(std::string message) {
    for (char& c : message)
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    message = without_addresses(std::move(message));
    constexpr std::size_t kLongest = 300;
    if (message.size() > kLongest) message = message.substr(0, kLongest) + "...";
    while (!message.empty() && std::string_view{". :,"}.find(message.back()) != std::string_view::npos)
        message.pop_back();
    return message;
}

}  // namespace

Error take_error(const std::string& what_happened) {
    const std::unique_ptr<const bt_error, Release> error{bt_current_thread_take_error()};
    if (error == nullptr) return Error{ErrorKind::content, what_happened};
    std::vector<std::string> causes;  // deepest first
    for (std::uint64_t i = 0; i < bt_error_get_cause_count(error.get()); ++i)
        if (std::string cause = shortened(bt_error_cause_get_message(bt_error_borrow_cause_by_index(error.get(), i)));
            !cause.empty())
            causes.push_back(std::move(cause));
    if (causes.empty()) return Error{ErrorKind::content, what_happened};
    Error made{ErrorKind::content, causes.front()};
    if (causes.front().find('/') == std::string::npos)
        for (std::size_t i = 1; i < causes.size(); ++i)
            if (causes[i].find('/') != std::string::npos) {
                made = made.within(causes[i]);
                break;
            }
    return made.within(what_happened);
}

}  // namespace tiffany::ctf
