#pragma once
// For who builds without CMake: `-include` this for every file, as pkg-config says. A definition on the command line
// would need characters that shells take for theirs.
#define BOOST_ASIO_CUSTOM_HANDLER_TRACKING <tiffany/adapters/detail/asio_tracking.hpp>
