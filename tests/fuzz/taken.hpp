#pragma once
/// Whether a target tests anything at all.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace tiffany::fuzz {

/// Counts inputs, and those that what is tested took. The corpus comes first, and has such: a run that took none fails.
class Taken {
  public:
    void input() {
        if (inputs_++ == 0) std::atexit(expect_some);
    }
    void take() { ++taken_; }

  private:
    static void expect_some() {
        constexpr std::uint64_t kLeastInputs = 16;  // fewer is somebody who looks at a file
        if (taken_ != 0 || inputs_ < kLeastInputs) return;
        std::fprintf(stderr, "none of %llu inputs was taken\n", static_cast<unsigned long long>(inputs_));
        std::_Exit(1);
    }

    static inline std::uint64_t inputs_ = 0;
    static inline std::uint64_t taken_ = 0;
};

}  // namespace tiffany::fuzz
