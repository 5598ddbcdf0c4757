#pragma once
/// A hash of numbers that others chose: tids. Private to pal and analysis.

#include <cstddef>
#include <cstdint>

namespace tiffany::pal {

/// std::hash of a number is that number, so whoever knows how many buckets a table has can put all into one of them.
/// This one depends on what nobody outside the process knows; so does the order of a table with it: nothing that is
/// printed may follow that.
class NumberHash {
  public:
    std::size_t operator()(std::uint64_t number) const noexcept {
        __extension__ typedef unsigned __int128 Wide;
        const Wide product = Wide{number ^ seed_.mask} * seed_.factor;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }

  private:
    struct Seed {
        std::uint64_t mask;
        std::uint64_t factor;  // odd
    };
    /// The same for all of one process.
    static const Seed& seed();

    Seed seed_ = seed();
};

}  // namespace tiffany::pal
