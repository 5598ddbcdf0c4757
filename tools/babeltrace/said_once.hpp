#pragma once
/// What one reader said already is not said again by the next, but held against what it says.

#include <cstdint>
#include <optional>
#include <string_view>
#include <tiffany/pal/error.hpp>

#include "stream_hash.hpp"

namespace tiffany::ctf {

/// How much was said, and a hash of it.
struct Said {
    std::uint64_t bytes = 0;
    std::uint64_t hash = 0;
};

/// Two readers give the same bytes; the first may stop on the way. Not shared between threads.
class SaidOnce {
  public:
    /// What of these bytes, the next ones, was not said yet. Errors: Error (system) if the readers do not agree.
    std::string_view news(std::string_view bytes);
    Said said() const { return {hash_.size(), hash_.value()}; }
    /// It begins once more; `said` was said by then. To be called once at most.
    void again(const Said& said);
    void again() { again(said()); }
    /// Less came than what was said by then.
    bool lacks() const { return first_.has_value(); }
    /// Nothing more comes of the second reader. Errors: Error (system) if `lacks`.
    void finish();
    /// What there is to say of that, too, where the second reader has failed.
    static Error disagreement();

  private:
    StreamHash hash_;            // of what was said; then of what is said again
    std::optional<Said> first_;  // not empty: what comes is a repetition
    bool repeated_ = false;
};

}  // namespace tiffany::ctf
