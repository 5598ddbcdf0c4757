#include "number_hash.hpp"

#include <chrono>
#include <exception>
#include <random>

namespace tiffany::pal {

const NumberHash::Seed& NumberHash::seed() {
    static const Seed made = [] {
        std::uint64_t words[2];
        try {
            std::random_device random;
            for (std::uint64_t& word : words)
                word = std::uint64_t{random()} << 32 | random();
        } catch (const std::exception&) {  // the process may be kept from it: then what is hard to foresee
            const auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
            std::mt19937_64 random{now ^ reinterpret_cast<std::uintptr_t>(&words)};
            for (std::uint64_t& word : words)
                word = random();
        }
        return Seed{words[0], words[1] | 1};
    }();
    return made;
}

}  // namespace tiffany::pal
