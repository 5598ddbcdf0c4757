#pragma once
/// What libbabeltrace2 says of a failure, as our one error type.

#include <tiffany/pal/error.hpp>

namespace tiffany::ctf {

/// Takes the error of this thread off libbabeltrace2. Its chain has a sentence for every layer that the failure went
/// through; kept are the deepest, which says what happened, and the next above that names a file.
/// @param what_happened  our own sentence, the outermost
Error take_error(const std::string& what_happened);

}  // namespace tiffany::ctf
