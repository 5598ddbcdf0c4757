#pragma once
// What Boost.Asio includes as BOOST_ASIO_CUSTOM_HANDLER_TRACKING, before all else of it: its operations tell here what
// they are, just before they are started and just before their handlers are called. The target tiffany::asio defines
// the macro. A file without it tells nothing; what makes both kinds fit together is in asio_names.hpp.

#include <tiffany/telemetry/config.hpp>

#if TIFFANY_TELEMETRY

#include <boost/system/error_code.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <tiffany/adapters/detail/asio_completion.hpp>
#include <tiffany/adapters/detail/asio_handlers.hpp>
#include <tiffany/adapters/detail/asio_names.hpp>
#include <tiffany/adapters/detail/asio_run.hpp>

namespace tiffany::detail {

/// Until an expiry, ns; 0 = for ever, or not known.
template <typename Clock, typename Duration>
std::uint64_t ns_until(const std::chrono::time_point<Clock, Duration>& expiry) noexcept {
    using std::chrono::nanoseconds;
    if (expiry == std::chrono::time_point<Clock, Duration>::max()) return 0;
    const auto left = std::chrono::duration_cast<nanoseconds>(expiry - Clock::now()).count();
    return left > 0 ? static_cast<std::uint64_t>(left) : 1;
}
template <typename Expiry>
std::uint64_t ns_until(const Expiry&) noexcept {
    return 0;
}

/// An operation is about to be started. Inlined: what it belongs to is known where it is called.
/// @param type  of the object that it belongs to: "socket", "deadline_timer"
template <typename Context, typename Operation, typename Object>
[[gnu::always_inline]] inline void asio_creation(Context&, const Operation&, const char* type, Object* object,
                                                 std::uintmax_t handle, const char* /*operation*/) noexcept {
    if constexpr (kResumesCoroutine<Operation>) {
        const AsioTask* const task = asio_may_suspend();
        if (task == nullptr) return;
        if constexpr (requires { object->expiry; }) {
            // the stamp first: else who loses the CPU between the two tells of a longer sleep than there was
            const Stamp now = task->now();
            asio_suspends(AsioWait::timer, now.known() ? ns_until(object->expiry) : 0, now);
        } else {
            const std::string_view name{type};
            const bool io = name == "socket" || name == "descriptor";
            asio_suspends(io ? AsioWait::io : AsioWait::other, static_cast<std::uint64_t>(handle));
        }
    }
}

/// An operation completes.
class AsioCompletion {
  public:
    template <typename Operation>
    explicit AsioCompletion(const Operation&) noexcept : upcall_{kResumesCoroutine<Operation>} {}

    void begin() noexcept { upcall_.begin(false); }
    template <typename... Arguments>
    void begin(const boost::system::error_code& error, const Arguments&...) noexcept {
        upcall_.begin(error.value() == ECANCELED && error.category() == boost::system::system_category());
    }
    template <typename First, typename... Arguments>
    void begin(const First&, const Arguments&...) noexcept {
        upcall_.begin(false);
    }

  private:
    AsioUpcall upcall_;
};

/// A place in the source: that of a step of a composed operation, which suspends nothing.
template <typename File>
struct AsioLocation {
    AsioLocation(const File&, int, const char*) noexcept {}
};
/// That of a co_await.
template <>
class AsioLocation<AsioAwaiting> {
  public:
    AsioLocation(const AsioAwaiting&, int, const char*) noexcept {}

  private:
    AsioSuspension suspension_;
};

}  // namespace tiffany::detail

#define BOOST_ASIO_HANDLER_LOCATION(args) const ::tiffany::detail::AsioLocation tiffany_location args
#define BOOST_ASIO_HANDLER_CREATION(args) ::tiffany::detail::asio_creation args
#define BOOST_ASIO_HANDLER_COMPLETION(args) ::tiffany::detail::AsioCompletion tiffany_completion args
#define BOOST_ASIO_HANDLER_INVOCATION_BEGIN(args) tiffany_completion.begin args

#define BOOST_ASIO_INHERIT_TRACKED_HANDLER
#define BOOST_ASIO_ALSO_INHERIT_TRACKED_HANDLER
#define BOOST_ASIO_HANDLER_TRACKING_INIT (void)0
#define BOOST_ASIO_HANDLER_INVOCATION_END (void)0
#define BOOST_ASIO_HANDLER_OPERATION(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_REGISTRATION(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_DEREGISTRATION(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_READ_EVENT 0
#define BOOST_ASIO_HANDLER_REACTOR_WRITE_EVENT 0
#define BOOST_ASIO_HANDLER_REACTOR_ERROR_EVENT 0
#define BOOST_ASIO_HANDLER_REACTOR_EVENTS(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_OPERATION(args) (void)0

#else

// Asio looks once more whether it is defined: what is stripped is as without handler tracking.
#undef BOOST_ASIO_CUSTOM_HANDLER_TRACKING

#endif
