#include "find_bad_stream.hpp"

#include <babeltrace2/babeltrace.h>

#include <cstdint>

#include "ctf_graph.hpp"

namespace tiffany::ctf {
namespace {

/// Follows the messages of one stream, and its times, which the merge with the others stumbles over.
class StreamWatch {
  public:
    /// Errors (content): a time that cannot be.
    void message(const bt_message* message) {
        switch (bt_message_get_type(message)) {
            case BT_MESSAGE_TYPE_STREAM_BEGINNING:
                stream_begins(bt_message_stream_beginning_borrow_stream_const(message));
                return;
            case BT_MESSAGE_TYPE_PACKET_BEGINNING:
                ++packets_;
                if (packet_begins_) time(bt_message_packet_beginning_borrow_default_clock_snapshot_const(message));
                return;
            case BT_MESSAGE_TYPE_PACKET_END:
                if (packet_ends_) time(bt_message_packet_end_borrow_default_clock_snapshot_const(message));
                return;
            case BT_MESSAGE_TYPE_EVENT:
                if (clock_) time(bt_message_event_borrow_default_clock_snapshot_const(message));
                return;
            default:
                return;
        }
    }

    /// "cannot read stream FILE: packet 3", as far as it is known.
    std::string where() const {
        return "cannot read stream " + name_ + (packets_ == 0 ? "" : ": packet " + std::to_string(packets_ - 1));
    }
    bool has_name() const { return !name_.empty(); }

  private:
    void stream_begins(const bt_stream* stream) {
        if (const char* name = bt_stream_get_name(stream)) name_ = name;  // source.ctf.fs: the path of its file
        const bt_stream_class* type = bt_stream_borrow_class_const(stream);
        clock_ = bt_stream_class_borrow_default_clock_class_const(type) != nullptr;
        packet_begins_ = bt_stream_class_packets_have_beginning_default_clock_snapshot(type) != BT_FALSE;
        packet_ends_ = bt_stream_class_packets_have_end_default_clock_snapshot(type) != BT_FALSE;
    }

    void time(const bt_clock_snapshot* snapshot) {
        std::int64_t now = 0;
        if (bt_clock_snapshot_get_ns_from_origin(snapshot, &now) != BT_CLOCK_SNAPSHOT_GET_NS_FROM_ORIGIN_STATUS_OK ||
            now < 0) {
            bt_current_thread_clear_error();
            throw Error{ErrorKind::content, "a time stamp lies before 1970 or after 2262"};
        }
        if (now < last_ns_) throw Error{ErrorKind::content, "a time stamp lies before the one that precedes it"};
        last_ns_ = now;
    }

    std::string name_;
    std::uint64_t packets_ = 0;
    std::int64_t last_ns_ = 0;
    bool clock_ = false;
    bool packet_begins_ = false;
    bool packet_ends_ = false;
};

}  // namespace

std::optional<Error> find_bad_stream(const std::string& directory, const std::function<void()>& on_progress) {
    for (std::uint64_t stream = 0;; ++stream) {
        StreamWatch watch;
        try {
            const bool is_there = decode_stream(directory, stream, [&](const bt_message* message) {
                watch.message(message);
                on_progress();
            });
            if (!is_there) return std::nullopt;
        } catch (const Error& error) {
            if (!watch.has_name()) return std::nullopt;  // the trace itself cannot be opened
            return error.within(watch.where());
        }
    }
}

}  // namespace tiffany::ctf
