#pragma once
/// For what goes on in the process when a plugin that carries this library was closed.

namespace tiffany::detail {

/// The library that this code is part of stays in the process for good, whoever closes it. For a program's own code it
/// does nothing.
void stay_loaded() noexcept;

}  // namespace tiffany::detail
