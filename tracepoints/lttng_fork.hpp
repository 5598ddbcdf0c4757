#pragma once
/// What LTTng has to be told of a fork, so that a forked child of which it knows nothing can end by exit(). Internal.

namespace tiffany::detail {

/// Of a child that nobody told LTTng of (there is no liblttng-ust-fork in the process, or the fork is none that it
/// wraps) LTTng keeps what other threads of the parent held at the fork, its locks and its readers, for ever: exit()
/// unloads the tracepoints, and waits for those. Called by the handlers of pthread_atfork, on the forking thread, when
/// all locks that one may hold in a call of LTTng are held: LTTng's are taken last, and given back first. May come
/// several times for one fork, from several copies of the telemetry library.
///
/// May wait for LTTng's listener thread, while that talks to the session daemon (each answer for as long as
/// LTTNG_UST_REGISTER_TIMEOUT says, unless set 500 ms; of one that hangs it awaits no second one), or waits for an
/// event that waits for room.
void before_fork() noexcept;
void after_fork_in_parent() noexcept;
/// The child goes on as LTTng's part of the parent: what it does is recorded in the buffers that it inherited.
void after_fork_in_child() noexcept;

}  // namespace tiffany::detail
