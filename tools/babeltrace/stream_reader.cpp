#include "stream_reader.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace tiffany::ctf {

void EventDecoder::begin(Bytes content, std::uint64_t at, std::uint64_t cycles) {
    begin_ = content.data();
    at_ = begin_ + at;
    end_ = begin_ + content.size();
    cycles_ = cycles;
}

void EventDecoder::refuse_number(std::uint64_t id) {
    throw NotPlain{"an event has the number " + std::to_string(id) + ", which the metadata does not declare"};
}

template <typename Number>
inline Number EventDecoder::peek(std::size_t behind) const {
    Number value{};
    std::memcpy(&value, at_ + behind, sizeof value);
    return value;
}

template <typename Number>
inline Number EventDecoder::take() {
    need(sizeof(Number));
    const auto value = peek<Number>();
    at_ += sizeof value;
    return value;
}

/// A time of which only the low bits are told: the clock has gone round at most once since the last one.
inline void EventDecoder::set_time(std::uint64_t low, unsigned bits) {
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    if (low < (cycles_ & mask)) cycles_ += mask + 1;
    cycles_ = (cycles_ & ~mask) | low;
}

inline std::uint64_t EventDecoder::long_header() {
    const auto id = take<std::uint32_t>();
    const auto cycles = take<std::uint64_t>();
    if (cycles < cycles_) throw NotPlain{"an event has a time before that of the one before it"};
    cycles_ = cycles;
    return id;
}

inline std::uint64_t EventDecoder::event_header() {
    constexpr std::size_t kLargeBytes = 6;
    constexpr std::size_t kCompactBytes = 4;
    if (stream_.header == HeaderKind::large) {
        need(kLargeBytes);
        const auto id = peek<std::uint16_t>();
        if (id != 65'535) {
            set_time(peek<std::uint32_t>(2), 32);
            at_ += kLargeBytes;
            return id;
        }
        at_ += sizeof id;
    } else if (stream_.header == HeaderKind::compact) {
        need(kCompactBytes);
        const auto both = peek<std::uint32_t>();
        const std::uint32_t id = both & 31U;
        if (id != 31) {
            set_time(both >> 5U, 27);
            at_ += kCompactBytes;
            return id;
        }
        ++at_;
    }
    return long_header();
}

std::size_t EventDecoder::text_here() const {
    return text_size({at_, end_});
}

/// The numbers of a slot and of those after it.
inline std::uint64_t* EventDecoder::numbers(std::uint8_t slot, pal::Record* record) {
    return slot < kOwnSlot ? &identities_[slot] : &record->numbers[static_cast<std::size_t>(slot - kOwnSlot)];
}

void EventDecoder::follow(const Layout& steps, pal::Record* record) {
    std::uint64_t length = 0;
    for (const LayoutStep& step : steps) {
        switch (step.kind) {
            case LayoutStep::Kind::number64: {
                need(step.size);
                std::uint64_t* to = numbers(step.slot, record);
                const unsigned char* const end = at_ + step.size;
                for (const unsigned char* from = at_; from != end; from += sizeof *to) {
                    std::uint64_t value = 0;
                    std::memcpy(&value, from, sizeof value);
                    *to++ = value;
                }
                at_ = end;
                break;
            }
            case LayoutStep::Kind::number32:
                *numbers(step.slot, record) = take<std::uint32_t>();
                break;
            case LayoutStep::Kind::number16:
                *numbers(step.slot, record) = take<std::uint16_t>();
                break;
            case LayoutStep::Kind::number8:
                *numbers(step.slot, record) = take<std::uint8_t>();
                break;
            case LayoutStep::Kind::text: {
                const std::size_t size = text_here();
                record->texts[step.slot].assign(reinterpret_cast<const char*>(at_), size);
                at_ += size + 1;
                break;
            }
            case LayoutStep::Kind::skip_text:
                at_ += text_here() + 1;
                break;
            case LayoutStep::Kind::skip:
                need(step.size);
                at_ += step.size;
                break;
            case LayoutStep::Kind::align: {
                const std::uint64_t padding = -static_cast<std::uint64_t>(at_ - begin_) & step.size;
                need(padding);
                at_ += padding;
                break;
            }
            case LayoutStep::Kind::length:
                need(step.size);
                length = 0;
                std::memcpy(&length, at_, step.size);
                break;
            case LayoutStep::Kind::repeat:
                if (length > static_cast<std::uint64_t>(end_ - at_) / step.size) refuse_cut();
                at_ += length * step.size;
                break;
        }
    }
}

/// Whatever is not as the catalogue has it.
bool EventDecoder::follow_steps(const EventLayout& event, pal::Record& record) {
    identities_.fill(0);
    record.numbers.fill(0);
    for (std::string& text : record.texts)
        if (!text.empty()) text.clear();
    follow(event.steps, &record);
    if (!event.plan.take || !event.plan.has_worker) return false;
    record.worker = pal::WorkerId::from_event(identities_[kWorkerSlot]);
    record.tid = identities_[kTidSlot];
    record.seq = identities_[kSeqSlot];
    record.step = identities_[kStepSlot];
    record.pid = static_cast<std::uint32_t>(identities_[kPidSlot]);
    if (event.plan.info == nullptr) record.unknown = event.plan.name;
    return true;
}

[[gnu::always_inline]] inline bool EventDecoder::decode(pal::Record& record) {
    const std::uint64_t id = event_header();
    if (id >= stream_.events.size() || stream_.events[id] == nullptr) refuse_number(id);
    EventLayout& event = *stream_.events[id];
    event_ = &event;
    ++event.plan.count;
    if (!stream_.context.empty()) follow(stream_.context, nullptr);
    record.info = event.plan.info;
    if (!record.unknown.empty()) record.unknown.clear();
    bool makes_record = true;
    if (event.in_code != nullptr)
        at_ = event.in_code({at_, end_}, record);
    else
        makes_record = follow_steps(event, record);
    assert(at_ <= end_);  // no sanitizer sees what is read past the end of bytes that are mapped
    return makes_record;
}

bool EventDecoder::next(pal::Record& record) {
    return decode(record);
}

StreamReader::StreamReader(const TraceLayout& trace, StreamFiles files, ProcessIds& pids, pal::Record& record,
                           std::function<void()> on_progress)
    : trace_{trace},
      stream_{*std::ranges::find(trace.streams, files.stream_id, &StreamLayout::id)},
      files_{std::move(files)},
      pids_{pids},
      on_progress_{std::move(on_progress)},
      event_{stream_},
      record_{&record} {}

/// The counters stand for the end of the packet: what is new in it was discarded since the end of the one before. What
/// the first packet says was discarded before that, or in it: babeltrace2 gives no number then.
void StreamReader::tell_discarded(const PacketHeader& header) {
    if (!stream_.channel.matters()) return;
    const bool events = any_packet_ ? header.discarded != packet_.discarded : header.discarded != 0;
    if (events) {
        pal::Discarded made = stream_.channel.discarded_events();
        made.counted = any_packet_;
        if (any_packet_) made.count = header.discarded - packet_.discarded;  // modulo 2^64
        made.begin_ns = any_packet_ ? packet_end_ns_ : trace_.clock.ns(header.begin);
        made.end_ns = trace_.clock.ns(header.end);
        pending_.push_back(made);
    }
    if (any_packet_ && header.number - packet_.number > 1) {
        pal::Discarded made = stream_.channel.discarded_packets();
        made.begin_ns = packet_end_ns_;
        made.end_ns = trace_.clock.ns(header.begin);
        pending_.push_back(made);
    }
}

bool StreamReader::next_packet() {
    while (file_ < files_.files.size() && next_at_ == files_.files[file_].size()) {
        files_.files[file_].unmap();
        ++file_;
        next_at_ = 0;
    }
    if (file_ == files_.files.size()) return false;
    MappedFile& file = files_.files[file_];
    const PacketHeader header = PacketHeader::read(file.bytes(next_at_, PacketHeader::kBytes), trace_);
    const Bytes content = file.bytes(next_at_, header.content_bytes);
    if (any_packet_ && header.begin < packet_.end) throw NotPlain{"a packet begins before the one before it ends"};
    tell_discarded(header);
    content_ = content;
    packet_ = header;
    packet_end_ns_ = trace_.clock.ns(header.end);
    any_packet_ = true;
    next_at_ += header.packet_bytes;
    on_progress_();
    return true;
}

/// Where no event is left in the packet: what comes before the next event, or that there is none.
std::optional<StreamReader::Item> StreamReader::between_events() {
    if (pending_.empty() && content_.empty() && !next_packet()) return Item::end;
    if (!pending_.empty()) {
        discarded_ = pending_.front();
        pending_.pop_front();
        ns_ = discarded_.begin_ns;
        return Item::discarded;
    }
    event_.begin(std::exchange(content_, {}), PacketHeader::kBytes, packet_.begin);
    return std::nullopt;
}

[[gnu::always_inline]] inline StreamReader::Item StreamReader::go_on(pal::Record& record) {
    for (;;) {
        if (event_.at_end()) {
            if (const std::optional<Item> item = between_events()) return item_ = *item;
            continue;
        }
        const bool makes_record = event_.decode(record);
        if (event_.cycles() > packet_.end) refuse_late();
        if (!makes_record) continue;
        ns_ = record.ts_ns = trace_.clock.ns(event_.cycles());
        return item_ = Item::event;
    }
}

StreamReader::Item StreamReader::next() try { return go_on(*record_); } catch (const NotPlain& not_plain) {
    throw_with_place(not_plain);
}

void StreamReader::take(RecordBatch& batch, std::uint64_t until_ns) try {
    do {
        pal::Record& record = *record_;
        const std::uint64_t instance = record.worker.instance;
        if (event_.tells_pid() && record.pid != 0) pids_.tell(instance, record.pid);
        record.pid = pids_.of(instance, trace_.pid);
        if (record.host.empty()) record.host = trace_.facts.host;
        record_ = &batch.exchange(record);
    } while (go_on(*record_) == Item::event && ns_ < until_ns && !batch.full());
} catch (const NotPlain& not_plain) {
    throw_with_place(not_plain);
}

void StreamReader::refuse_late() {
    throw NotPlain{"an event has a time after the end of its packet"};
}

void StreamReader::throw_with_place(const NotPlain& not_plain) const {
    if (file_ == files_.files.size()) throw not_plain;
    throw NotPlain{files_.files[file_].path() + ": before byte " + std::to_string(next_at_) + ": " + not_plain.why};
}

}  // namespace tiffany::ctf
