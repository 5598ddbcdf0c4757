#pragma once
/// Where the bytes of a log go.

#include <string_view>

namespace tiffany::pal {

/// Takes bytes in order. Errors: throws what the implementation says.
class ByteSink {
  public:
    virtual ~ByteSink() = default;
    virtual void write(std::string_view bytes) = 0;
};

}  // namespace tiffany::pal
