#pragma once
/// The text of an input, read and decompressed ahead of whoever takes it. Private to pal.

#include <array>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "input.hpp"

namespace tiffany::pal {

/// A text that becomes longer at its end while its front is used up. A regular file is read by a thread of its own,
/// from its second chunk on; a pipe is not: it may be silent for ever, and whoever has enough of it could not leave.
///
/// One thread takes; all its waiting is for the disk. Memory: kSlots chunks, each with the room.
class ChunkedInput {
  public:
    /// @param room     how long what is left of the text may be when more of it is asked for, bytes
    /// @param padding  how many bytes behind the text's newline are readable
    ChunkedInput(InputFile& input, std::size_t room, std::size_t padding);
    ~ChunkedInput();
    ChunkedInput(const ChunkedInput&) = delete;
    ChunkedInput& operator=(const ChunkedInput&) = delete;

    /// What is there at first: nothing. As with every text that `longer` returns, a newline follows that is no part of
    /// it.
    std::string_view empty() const {
        const char* const at = slots_[0].chunk(room_);
        return {at, at};
    }
    /// `left`, the end of the text as it was returned last, and more; at the end of the input `left` itself. What was
    /// returned before is not valid any more. Errors: those of InputFile::read, after all that came before them.
    std::string_view longer(std::string_view left);

  private:
    static constexpr std::size_t kChunk = std::size_t{1} << 18;
    static constexpr std::size_t kSlots = 4;

    /// Room for what was left of the chunk before, then a chunk.
    struct Slot {
        std::unique_ptr<char[]> bytes;
        std::size_t size = 0;        // of the chunk
        bool is_last = false;        // nothing comes after it, but what follows
        std::exception_ptr failure;  // why

        char* chunk(std::size_t room) const { return bytes.get() + room; }
    };

    Slot& slot(std::size_t number) { return slots_[number % kSlots]; }
    void wait_for_chunk();
    void fill(Slot& slot);
    void fill_on(Slot& slot);
    /// Whether half of what can be ahead was taken: when all of it was there, so much is read at once, because to wake
    /// a thread for each chunk takes as long as a part of it. Under the mutex.
    bool is_low() const { return filled_ - taken_ <= (kSlots - 1) / 2; }
    void start();
    void read_ahead();

    InputFile& input_;
    std::size_t room_;
    bool may_start_ = true;  // a thread: none has failed to
    std::array<Slot, kSlots> slots_;

    std::mutex mutex_;  // for what follows; a slot belongs to who fills it until `filled_` says otherwise
    std::condition_variable changed_;
    std::size_t taken_ = 1;   // slots up to here were taken; the last of them is in use
    std::size_t filled_ = 1;  // slots up to here were filled
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace tiffany::pal
