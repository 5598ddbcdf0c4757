#pragma once
/// What paltrace says when it is asked to end in the middle of a long piece of work that no descriptor is watched in.

#include <array>
#include <csignal>
#include <string>

namespace tiffany::paltrace {

/// While it lives SIGINT, SIGTERM, SIGHUP and SIGQUIT, as far as our caller does not ignore them, print one line on
/// stderr and end the process with 128 + the signal. A child that was forked meanwhile dies of them without a word.
/// One per process.
///
///     const LastWord interrupted{"interrupted while it ..."};
class LastWord {
  public:
    explicit LastWord(const std::string& sentence);
    ~LastWord();
    LastWord(const LastWord&) = delete;
    LastWord& operator=(const LastWord&) = delete;

  private:
    std::array<struct sigaction, 4> before_{};
};

}  // namespace tiffany::paltrace
