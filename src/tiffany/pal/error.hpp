#pragma once
/// The one error type: what went wrong, where, and why.
///
///     throw Error{ErrorKind::system, "cannot open log " + path + ": " + std::strerror(errno)};
///
/// The layer that knows more catches, adds its sentence with `within`, and throws on. `main` alone prints.

#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace tiffany {

/// Kinds of failure; each has its exit code in the command line tool.
enum class ErrorKind {
    content,  ///< the input was read and its content is bad: exit 1
    usage,    ///< wrong usage: exit 2
    system,   ///< the system refused: missing, no permission, disk full, no daemon: exit 3
};

/// A failure as a chain of sentences, outermost first. Not shared between threads.
class Error : public std::exception {
  public:
    Error(ErrorKind kind, std::string what_happened) : kind_{kind}, sentences_{std::move(what_happened)} {}

    /// The same failure with a sentence of the layer that knows more in front.
    Error within(std::string sentence) const {
        Error wider{*this};
        wider.sentences_.insert(wider.sentences_.begin(), std::move(sentence));
        return wider;
    }

    ErrorKind kind() const noexcept { return kind_; }
    /// Outermost first; each after the first is the cause of the one before it.
    const std::vector<std::string>& sentences() const noexcept { return sentences_; }
    const char* what() const noexcept override { return sentences_.front().c_str(); }
    /// All sentences on one line: "cannot convert run1: cannot read stream chan_0: packet 17 is cut".
    std::string one_line() const {
        std::string line;
        for (const std::string& sentence : sentences_) {
            if (!line.empty()) line += ": ";
            line += sentence;
        }
        return line;
    }

  private:
    ErrorKind kind_;
    std::vector<std::string> sentences_;
};

}  // namespace tiffany
