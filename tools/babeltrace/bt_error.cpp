#include "bt_error.hpp"

#include <babeltrace2/babeltrace.h>

#include <memory>
#include <string>
#include <vector>

namespace tiffany::ctf {
namespace {

struct Release {
    void operator()(const bt_error* error) const noexcept { bt_error_release(error); }
};

// "Cannot do it: this-addr=0x55d0, name=\"x\"" -> "Cannot do it": the rest is for its own developers
std::string shortened(std::string message) {
    for (char& c : message)
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    constexpr std::size_t kLongest = 300;
    if (message.size() > kLongest) message = message.substr(0, kLongest) + "...";
    while (!message.empty() && (message.back() == '.' || message.back() == ' ' || message.back() == ':'))
        message.pop_back();
    return message;
}

}  // namespace

Error take_error(const std::string& what_happened) {
    const std::unique_ptr<const bt_error, Release> error{bt_current_thread_take_error()};
    if (error == nullptr) return Error{ErrorKind::content, what_happened};
    std::vector<std::string> causes;  // deepest first
    for (std::uint64_t i = 0; i < bt_error_get_cause_count(error.get()); ++i)
        causes.push_back(shortened(bt_error_cause_get_message(bt_error_borrow_cause_by_index(error.get(), i))));
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
