#include "native_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "stream_file.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

std::vector<StreamFiles> streams_of(const std::string& directory, const TraceLayout& trace,
                                    const std::vector<StreamEnd>& cut) try {
    return find_streams(directory, trace, cut);
} catch (const std::filesystem::filesystem_error& error) {
    throw NotPlain{error.what()};
}

}  // namespace

NativeReader::NativeReader(const std::string& directory, const CheckedFiles& checked, bool ticks, RecordPool& pool,
                           const std::function<void()>& on_progress)
    : trace_{lay_out(tsdl::parse(checked.metadata), ticks)} {
    for (StreamFiles& files : streams_of(directory, trace_, checked.cut))
        streams_.push_back(std::make_unique<StreamReader>(trace_, std::move(files), pool.fresh(), on_progress));
    items_.resize(streams_.size(), Item::end);
}

NativeReader::~NativeReader() = default;

/// Of one time first those of the stream class, then of the stream with the lesser number, as babeltrace2's muxer has
/// it.
bool NativeReader::is_later(const Head& a, const Head& b) {
    return a.ns != b.ns ? a.ns > b.ns : a.rank > b.rank;
}

void NativeReader::read_ahead(std::size_t rank) {
    items_[rank] = streams_[rank]->next();
    if (items_[rank] == Item::end) return;
    heads_.push_back({streams_[rank]->ns(), rank});
    std::push_heap(heads_.begin(), heads_.end(), is_later);
}

/// Makes the stream the present one whose item is next. Each stream's next one is known before another stream's is
/// given.
bool NativeReader::go_on() {
    if (present_ != kNone) {
        Item& item = items_[present_];
        item = streams_[present_]->next();
        if (item != Item::end) {
            const Head head{streams_[present_]->ns(), present_};
            if (heads_.empty() || !is_later(head, heads_.front())) return true;
            heads_.push_back(head);
            std::push_heap(heads_.begin(), heads_.end(), is_later);
        }
    }
    if (heads_.empty()) return false;
    std::pop_heap(heads_.begin(), heads_.end(), is_later);
    present_ = heads_.back().rank;
    heads_.pop_back();
    return true;
}

bool NativeReader::next(pal::Record*& record, FrameHandler& handler) {
    if (!begun_) {
        begun_ = true;
        if (!streams_.empty()) handler.facts(trace_.facts);
        for (std::size_t rank = 0; rank < streams_.size(); ++rank)
            read_ahead(rank);
    }
    while (go_on()) {
        StreamReader& stream = *streams_[present_];
        if (items_[present_] == Item::discarded) {
            handler.discarded(stream.discarded());
            continue;
        }
        record = &stream.take(*record);
        if (stream.event().tells_pid() && stream.event().pid() != 0)
            pids_.tell(record->worker.instance, stream.event().pid());
        record->pid = pids_.of(record->worker.instance, trace_.pid);
        return true;
    }
    finish(handler);
    return false;
}

void NativeReader::finish(FrameHandler& handler) const {
    Counts events;
    Counts fields;
    trace_.add_unknown(events, fields);
    handler.unknown(events, fields);
    if (const std::uint64_t ticks = trace_.ticks_left_out(); ticks != 0) handler.left_out(ticks);
}

}  // namespace tiffany::ctf
