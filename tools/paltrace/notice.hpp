#pragma once
/// A line of talk, whatever the names in it are.

#include <ostream>
#include <sstream>
#include <string_view>

#include "printable.hpp"

namespace tiffany::paltrace {

/// What is put into it becomes one line, `paltrace: ...`, when it goes: without control characters, newlines among them
/// (a file can be called `x\npaltrace: lost no transition`). Whoever tells something on stderr uses one.
///
///     Notice{streams.err} << "cannot read " << name;
class Notice {
  public:
    explicit Notice(std::ostream& to) : to_{to} {}
    ~Notice() { to_ << "paltrace: " << printable(text_.view()) << std::endl; }
    Notice(const Notice&) = delete;
    Notice& operator=(const Notice&) = delete;

    template <typename Value>
    Notice& operator<<(const Value& value) {
        text_ << value;
        return *this;
    }

  private:
    std::ostream& to_;
    std::ostringstream text_;
};

}  // namespace tiffany::paltrace
