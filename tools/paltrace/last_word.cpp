#include "last_word.hpp"

#include <unistd.h>

#include "printable.hpp"

namespace tiffany::paltrace {
namespace {

constexpr std::array kToEnd{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// writer: LastWord, while no handler is set
std::string last_line;
pid_t speaker;

/// Calls nothing but what a handler may call.
void say_and_end(int number) {
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    if (getpid() != speaker) {
        sigaction(number, &by_default, nullptr);
        raise(number);  // comes when the handler returns
        return;
    }
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, nullptr);  // the reader of our stderr may have gone of the same signal
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, last_line.data(), last_line.size());
    _exit(128 + number);
}

}  // namespace

LastWord::LastWord(const std::string& sentence) {
    last_line = "paltrace: " + printable(sentence) + "\n";
    speaker = getpid();
    struct sigaction action {};
    action.sa_handler = say_and_end;
    sigfillset(&action.sa_mask);
    for (std::size_t i = 0; i < kToEnd.size(); ++i) {
        sigaction(kToEnd[i], nullptr, &before_[i]);
        if (before_[i].sa_handler != SIG_IGN) sigaction(kToEnd[i], &action, nullptr);
    }
}

LastWord::~LastWord() {
    for (std::size_t i = 0; i < kToEnd.size(); ++i)
        sigaction(kToEnd[i], &before_[i], nullptr);
}

}  // namespace tiffany::paltrace
