#pragma once
/// The signals that paltrace's caller has blocked or ignores: COMMAND is to have them as if nobody recorded it. A
/// service that ignores SIGPIPE lives on behind it, and who lets the kernel reap children leaves no zombies.

namespace tiffany::paltrace {

/// Notes them, and takes the ends of children: ignored, SIGCHLD would have the kernel tell nobody how one ended. To be
/// called first of all in main(), while the process has one thread.
void take_callers_signals() noexcept;

/// In a child, before exec.
void give_callers_signals() noexcept;

}  // namespace tiffany::paltrace
