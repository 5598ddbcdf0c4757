#pragma once
/// The log that a process writes itself: whether what TIFFANY_PAL asks for can be had (docs/pal-file.md).

#include <sys/types.h>

#include "finding.hpp"

namespace tiffany::paltrace {

/// Of the environment that this process has, and would hand on to a program that it starts. Writes nothing.
Finding examine_own_log();

/// Of a process: what its environment asks for, and whether it writes that. Relative names are taken from its folder,
/// all names from its root. Writes nothing.
/// @param trusted  false: it began with rights that its caller had not, and so does not look at its environment
Finding examine_log_of(pid_t pid, bool trusted);

}  // namespace tiffany::paltrace
