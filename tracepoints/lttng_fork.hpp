#pragma once
/// What LTTng has to be told of a fork, so that a forked child of which it knows nothing can end by exit(). Internal.

namespace tiffany::detail {

/// Of a child that nobody told LTTng of (there is no liblttng-ust-fork in the process, or the fork is none that it
/// wraps) LTTng keeps what other threads of the parent held at the fork, its locks and its readers, for ever: exit()
/// unloads the tracepoints, and waits for those. Called by the handlers of pthread_atfork, on the forking thread,
/// before a lock is taken that somebody may hold who waits for LTTng, and after it has been given back: LTTng's come
/// first, as they do where liblttng-ust-fork takes them. May come several times for one fork, from several copies of
/// the telemetry library.
///
/// May wait for LTTng's listener thread, while that talks to the session daemon (each answer for as long as
/// LTTNG_UST_REGISTER_TIMEOUT says, unless set 500 ms; of one that hangs it awaits no second one), or waits for an
/// event that waits for room. Opens no file and asks for no memory, but LTTng's own page for a thread that it meets for
/// the first time.
///
/// Tells nothing where this thread is itself in the middle of an event, in a signal's handler: LTTng would wait for it.
void before_fork() noexcept;
void after_fork_in_parent() noexcept;
/// The child goes on as LTTng's part of the parent: what it does is recorded in the buffers that it inherited.
void after_fork_in_child() noexcept;

/// There is one LTTng, which must be told once, but there may be several modules, from several files: all of them make
/// the calls of the one that was loaded first. Each gives its own by this name, whatever its version: calls that mean
/// the same are to keep it when LttngTable changes.
struct ForkCalls {
    void (*before)() noexcept;
    void (*after_in_parent)() noexcept;
    void (*after_in_child)() noexcept;
};
inline constexpr char kForkCallsSymbol[] = "tiffany_lttng_fork_calls_1";
using ForkCallsFunction = const ForkCalls* (*)();

}  // namespace tiffany::detail
