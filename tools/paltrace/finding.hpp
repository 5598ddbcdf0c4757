#pragma once
/// What paltrace doctor says of one thing that tracing needs.

#include <cstdint>
#include <string>
#include <vector>

namespace tiffany::paltrace {

enum class Health : std::uint8_t {
    good,
    limited,  ///< tracing works, with less than it could have
    wrong,
};

struct Finding {
    std::string what;  ///< what was looked at: "session daemon"
    Health health = Health::good;
    std::string found;  ///< in words
    std::string cost;   ///< if it is not good: what does not work for that reason
    std::string mend;   ///< if it is not good: the command that mends it
};

using Findings = std::vector<Finding>;

}  // namespace tiffany::paltrace
