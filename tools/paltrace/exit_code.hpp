#pragma once
/// What paltrace tells its caller by its exit status.

#include <cstdint>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {

enum class ExitCode : std::uint8_t {
    good = 0,
    bad_content = 1,  ///< the input was read and its content is bad, also when only a part of it is
    usage = 2,
    system = 3,  ///< the system refused: missing, no permission, disk full, no daemon
    lost = 4,    ///< events were lost
};

/// Of several, `system` goes first, then `bad_content`, then `lost`.
constexpr ExitCode worse(ExitCode a, ExitCode b) {
    constexpr auto rank = [](ExitCode code) {
        switch (code) {
            case ExitCode::usage:
                return 4;
            case ExitCode::system:
                return 3;
            case ExitCode::bad_content:
                return 2;
            case ExitCode::lost:
                return 1;
            case ExitCode::good:
                break;
        }
        return 0;
    };
    return rank(a) >= rank(b) ? a : b;
}

constexpr ExitCode exit_code(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::content:
            return ExitCode::bad_content;
        case ErrorKind::usage:
            return ExitCode::usage;
        case ErrorKind::system:
            break;
    }
    return ExitCode::system;
}

}  // namespace tiffany::paltrace
