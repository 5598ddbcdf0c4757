#pragma once
/// What a task returned, kept for those who hold a handle to it.

#include <memory>
#include <tiffany/scheduler/detail/chain.hpp>

namespace tiffany::detail {

/// A value of a type that only the handle knows.
using Result = std::unique_ptr<void, void (*)(void*)>;

/// Moves the result out of a task's first coroutine. Errors: what the value's move throws, std::bad_alloc.
using KeepResult = Result (*)(Promise&);

}  // namespace tiffany::detail
