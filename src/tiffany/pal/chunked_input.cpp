#include "chunked_input.hpp"

#include <cassert>
#include <cstring>
#include <system_error>

namespace tiffany::pal {

ChunkedInput::ChunkedInput(InputFile& input, std::size_t room, std::size_t padding) : input_{input}, room_{room} {
    for (Slot& slot : slots_) {
        slot.bytes.reset(new char[room + kChunk + 1 + padding]);  // not make_unique: the room is not to be touched
        slot.chunk(room)[0] = '\n';
    }
}

ChunkedInput::~ChunkedInput() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock{mutex_};
        stop_ = true;
    }
    input_.stop();
    changed_.notify_one();
    thread_.join();
}

std::string_view ChunkedInput::longer(std::string_view left) {
    assert(left.size() <= room_);
    const bool is_ahead = thread_.joinable();
    Slot* last = &slot(taken_ - 1);
    if (!input_.is_regular() && !last->is_last && last->size < kChunk) {
        // of a pipe with small pieces what is left would be moved for each
        char* const end = last->chunk(room_) + last->size;
        assert(left.empty() || left.data() + left.size() == end);
        fill_on(*last);
        if (!last->is_last)
            return {end - left.size(), left.size() + static_cast<std::size_t>(last->chunk(room_) + last->size - end)};
    }
    Slot& next = slot(taken_);
    if (!last->is_last) {
        if (is_ahead)
            wait_for_chunk();
        else
            fill(next);
        if (next.size == 0) last = &next;
    }
    if (last->is_last) {
        if (last->failure != nullptr) std::rethrow_exception(last->failure);
        return left;
    }
    char* const begin = next.chunk(room_) - left.size();
    if (!left.empty()) std::memcpy(begin, left.data(), left.size());
    if (is_ahead) {
        bool wants_more = false;
        {
            const std::lock_guard lock{mutex_};
            ++taken_;
            wants_more = is_low();
        }
        if (wants_more) changed_.notify_one();
    } else {
        filled_ = ++taken_;
        if (!next.is_last && input_.is_regular() && may_start_) start();
    }
    return {begin, left.size() + next.size};
}

void ChunkedInput::wait_for_chunk() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return filled_ > taken_; });
}

void ChunkedInput::fill(Slot& slot) {
    slot.size = 0;
    fill_on(slot);
}

/// All that fits of a regular file; of a pipe what is there.
void ChunkedInput::fill_on(Slot& slot) {
    char* const chunk = slot.chunk(room_);
    try {
        do {
            const std::size_t bytes = input_.read({chunk + slot.size, kChunk - slot.size});
            slot.size += bytes;
            slot.is_last = bytes == 0;
        } while (!slot.is_last && slot.size < kChunk && input_.is_regular());
    } catch (...) {
        slot.is_last = true;
        slot.failure = std::current_exception();
    }
    chunk[slot.size] = '\n';
}

void ChunkedInput::start() {
    try {
        thread_ = std::thread{[this] { read_ahead(); }};
    } catch (const std::system_error&) {
        may_start_ = false;  // no more threads for this user, or for a confined process: it goes on without
    }
}

void ChunkedInput::read_ahead() {
    for (bool is_end = false; !is_end;) {
        Slot& next = slot(filled_);  // only this thread changes it
        {
            std::unique_lock lock{mutex_};
            if (filled_ - taken_ + 1 == kSlots) changed_.wait(lock, [&] { return stop_ || is_low(); });
            if (stop_) return;
        }
        fill(next);
        is_end = next.is_last;
        {
            const std::lock_guard lock{mutex_};
            ++filled_;
        }
        changed_.notify_one();
    }
}

}  // namespace tiffany::pal
