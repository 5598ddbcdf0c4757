#pragma once
/// One input, read in a process of its own.
///
/// babeltrace2 2.0.4 can loop for ever on a damaged trace, and a decoder that crashes must not take the other traces
/// along; so each input is decoded by a child that sends what it finds through a pipe. A child from which nothing has
/// come for `patience` is killed. The parent's death ends it, too. Memory of a child is bounded by RLIMIT_AS; of what
/// the parent has open it has the standard error, its pipe and the descriptor that is its input, if one is. What it
/// reads is for `work` to restrict (confine).

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "frames.hpp"

namespace tiffany::ctf {

class ChildSource {
  public:
    /// Runs `work` in the child. Call while this process has one thread: the child is forked.
    /// @param name      the input, for errors
    /// @param patience  0 = for ever
    /// @param input     a descriptor that it reads, which it keeps under its number; -1 if it reads files alone
    /// Errors: Error (system) if no process can be made.
    ChildSource(std::string name, const std::function<void(FrameWriter&)>& work, std::chrono::milliseconds patience,
                int input = -1);
    ~ChildSource();  ///< kills a child that still runs
    ChildSource(const ChildSource&) = delete;
    ChildSource& operator=(const ChildSource&) = delete;

    /// The next record; what comes between goes to one of the handlers. False at the end.
    /// Errors: what the child met; that it hung; that it was killed.
    bool next(pal::Record& record, FrameHandler& handler, ChildHandler& starter);
    /// The same of a child that tells nothing else.
    bool next(pal::Record& record, FrameHandler& handler) {
        ChildHandler nothing;
        return next(record, handler, nothing);
    }

    const std::string& name() const { return name_; }

  private:
    void receive();
    std::string how_it_ended();

    std::string name_;
    std::chrono::milliseconds patience_;
    pid_t pid_ = -1;
    int fd_ = -1;
    std::vector<char> buffer_;
    std::size_t filled_ = 0;  // of buffer_
    std::size_t at_ = 0;      // the next frame
    bool finished_ = false;
};

}  // namespace tiffany::ctf
