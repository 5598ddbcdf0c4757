#pragma once
/// Where a command's program is, found as execvp() finds it.

#include <string>

namespace tiffany::paltrace {

/// Errors: ErrorKind::system if there is none that can be executed: "cannot run NAME: ...".
void need_program(const std::string& name);

/// Errors: ErrorKind::system if the dynamic linker cannot load that library before a program's own.
void need_preload(const std::string& library);

}  // namespace tiffany::paltrace
