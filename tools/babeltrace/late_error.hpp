#pragma once
/// What a stream's error needs to come out as one.
///
/// Where messages precede the bad one, an iterator of libbabeltrace2 2.0.4 gives them, says OK, and leaves its error
/// with the thread, to be told when it is asked next. But if somebody asks another iterator first, which the muxer
/// does, that one may call a function that must not be called while there is an error, and the process is aborted.

#include <babeltrace2/babeltrace.h>

#include <memory>

#include "bt_ref.hpp"

namespace tiffany::ctf {

/// An error that came with messages. Of one thread.
class LateError {
  public:
    /// Takes the thread's, if it has one: after a `next` that said OK.
    void keep() noexcept { error_.reset(bt_current_thread_take_error()); }
    /// Gives it back to the thread; false = there is none. Before the next `next`, which is not to be called if there
    /// was.
    bool give_back() noexcept {
        if (error_ == nullptr) return false;
        bt_current_thread_move_error(error_.release());
        return true;
    }

  private:
    struct Release {
        void operator()(const bt_error* error) const noexcept { bt_error_release(error); }
    };
    std::unique_ptr<const bt_error, Release> error_;
};

/// A filter with a port on each side, for between a source and the muxer: it gives what it gets, but keeps a late
/// error. Errors: Error if there is no memory.
Ref<const bt_component_class_filter> late_error_filter();

}  // namespace tiffany::ctf
