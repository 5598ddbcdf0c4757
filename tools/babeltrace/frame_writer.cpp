// The writing end of the pipe.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <type_traits>
#include <utility>

#include "frame_kinds.hpp"
#include "frames.hpp"

namespace tiffany::ctf {
namespace {

constexpr std::size_t kSendAt = 32 * 1024;
constexpr std::uint64_t kAliveEveryMs = 200;

std::uint64_t now_ms() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

std::uint64_t worker_number(const pal::WorkerId& id) {
    return id.instance << 16 | id.index;
}

}  // namespace

template <typename Number>
void FrameWriter::put(Number value) {
    static_assert(std::is_trivially_copyable_v<Number>);
    std::memcpy(room(sizeof value), &value, sizeof value);
    used_ += sizeof value;
}

void FrameWriter::put(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    if (text.empty()) return;
    std::memcpy(room(text.size()), text.data(), text.size());
    used_ += text.size();
}

void FrameWriter::put(const std::vector<std::string>& texts) {
    put(static_cast<std::uint32_t>(texts.size()));
    for (const std::string& text : texts)
        put(std::string_view{text});
}

void FrameWriter::put(const Counts& counts) {
    put(static_cast<std::uint32_t>(counts.size()));
    for (const auto& [name, count] : counts) {
        put(std::string_view{name});
        put(count);
    }
}

void FrameWriter::open(std::uint8_t kind) {
    open_at_ = used_;
    put(std::uint32_t{0});
    put(kind);
}

void FrameWriter::close() {
    const auto size = static_cast<std::uint32_t>(used_ - open_at_ - sizeof(std::uint32_t));
    std::memcpy(buffer_.data() + open_at_, &size, sizeof size);
    if (used_ >= kSendAt) send();
}

void FrameWriter::write_all(std::string_view left) {
    while (!left.empty()) {
        const ssize_t written = ::write(fd_, left.data(), left.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw PipeClosed{};
        left.remove_prefix(static_cast<std::size_t>(written));
    }
}

void FrameWriter::send() {
    std::string_view bytes{buffer_.data(), used_};
    used_ = 0;
    if (may_repeat_) bytes = said_.news(bytes);
    if (bytes.empty()) return;
    write_all(bytes);
    sent_at_ms_ = now_ms();
}

void FrameWriter::may_come_again() {
    send();
    sent_at_ms_ = now_ms();
    may_repeat_ = true;
}

void FrameWriter::again() {
    used_ = 0;
    said_.again();
}

Said FrameWriter::leave_off() {
    used_ = 0;
    may_repeat_ = false;
    return said_.said();
}

void FrameWriter::take_up(const Said& said) {
    may_come_again();
    said_.again(said);
}

void FrameWriter::alive() {
    if (now_ms() - sent_at_ms_ < kAliveEveryMs) return;
    send();
    // not a part of what may be repeated: it depends on the time
    const std::uint32_t size = 1;
    std::array<char, sizeof size + 1> frame{};
    std::memcpy(frame.data(), &size, sizeof size);
    frame.back() = static_cast<char>(kAlive);
    write_all({frame.data(), frame.size()});
    sent_at_ms_ = now_ms();
}

void FrameWriter::facts(const TraceFacts& facts) {
    open(kFacts);
    put(facts.tiffany);
    put(facts.selection);
    put(facts.from_start);
    put(facts.events);
    put(std::string_view{facts.clock});
    put(std::string_view{facts.host});
    close();
}

void FrameWriter::record(const pal::Record& record) {
    const std::size_t fields = record.info == nullptr ? 0 : record.info->fields.size();
    const std::array<std::string_view, 4> texts{record.info == nullptr ? record.unknown : std::string_view{},
                                                record.host, record.texts[0], record.texts[1]};
    RecordFrame frame{};
    std::size_t bytes = sizeof frame + fields * sizeof(std::uint64_t);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        frame.text_bytes[i] = static_cast<std::uint32_t>(texts[i].size());
        bytes += texts[i].size();
    }
    frame.size = static_cast<std::uint32_t>(bytes - sizeof frame.size);
    frame.kind = kRecord;
    frame.event = record.info == nullptr ? kUnknownEvent : static_cast<std::uint8_t>(record.info->id);
    frame.pid = record.pid;
    frame.ts_ns = record.ts_ns;
    frame.worker = worker_number(record.worker);
    frame.seq = record.seq;
    frame.tid = record.tid;
    frame.step = record.step;
    char* at = room(bytes);
    used_ += bytes;
    std::memcpy(at, &frame, sizeof frame);
    at += sizeof frame;
    for (std::size_t i = 0; i < fields; ++i, at += sizeof(std::uint64_t))
        std::memcpy(at, &record.numbers[i], sizeof(std::uint64_t));
    for (const std::string_view text : texts) {
        if (text.empty()) continue;
        std::memcpy(at, text.data(), text.size());
        at += text.size();
    }
    if (used_ >= kSendAt) send();
}

void FrameWriter::discarded(const pal::Discarded& discarded) {
    open(kDiscarded);
    put(discarded.begin_ns);
    put(discarded.end_ns);
    put(discarded.count);
    put(discarded.only_transitions);
    put(discarded.only_others);
    put(discarded.counted);
    close();
}

void FrameWriter::begin(const pal::Begin& begin) {
    open(kBegin);
    put(begin.ts_ns);
    put(std::string_view{begin.tool});
    put(std::string_view{begin.trace});
    put(std::string_view{begin.clock});
    put(begin.events);
    put(begin.catalogue);
    put(static_cast<std::uint64_t>(begin.first.size()));
    for (const pal::FirstSeq& first : begin.first) {
        put(worker_number(first.worker));
        put(first.seq);
    }
    close();
}

void FrameWriter::gap(const pal::Gap& gap) {
    open(kGap);
    put(gap.ts_ns);
    put(worker_number(gap.worker));
    put(gap.from_seq);
    put(gap.to_seq);
    put(gap.lost);
    put(gap.explained);
    close();
}

void FrameWriter::end(const pal::End& end) {
    open(kEnd);
    put(end.ts_ns);
    put(end.records);
    put(end.lost);
    put(end.tail);
    put(end.at_most);
    put(end.lost_others);
    put(end.bad_parts);
    put(end.uncounted);
    close();
}

void FrameWriter::unknown(const Counts& events, const Counts& fields) {
    open(kUnknown);
    put(events);
    put(fields);
    close();
}

void FrameWriter::left_out(std::uint64_t ticks) {
    open(kLeftOut);
    put(ticks);
    close();
}

void FrameWriter::lacks(const std::string& what) {
    open(kLacks);
    put(std::string_view{what});
    close();
}

void FrameWriter::cut(const std::string& what) {
    open(kCut);
    put(std::string_view{what});
    close();
}

void FrameWriter::block(std::uint32_t bytes) {
    open(kBlock);
    put(bytes);
    close();
    send();
}

void FrameWriter::digested(const ReadSummary& seen, std::uint64_t findings) {
    open(kDigested);
    put(findings);
    for (const std::uint64_t ReadSummary::*const count : kSummaryCounts)
        put(seen.*count);
    put(static_cast<std::uint64_t>(seen.without_buffers));
    put(seen.at_most);
    put(seen.refused);
    put(seen.selection);
    put(seen.lent);
    put(seen.bad_parts);
    put(seen.uncounted);
    put(seen.unknown_events);
    put(seen.unknown_fields);
    put(static_cast<std::uint32_t>(seen.traces.size()));
    for (const TraceCounts& trace : seen.traces) {
        put(std::string_view{trace.directory});
        put(trace.records);
        put(trace.transitions);
        put(static_cast<std::uint64_t>(trace.open_workers));
    }
    close();
}

void FrameWriter::left() {
    open(kLeft);
    close();
}

void FrameWriter::metadata(std::string_view uuid, std::string_view text) {
    open(kMetadata);
    put(uuid);
    put(text);
    close();
}

void FrameWriter::index(std::string_view stream, std::string_view bytes) {
    open(kIndex);
    put(stream);
    put(bytes);
    close();
}

void FrameWriter::bounds(const Said& said) {
    open(kBounds);
    put(said.bytes);
    put(said.hash);
    close();
}

void FrameWriter::failed(const Error& met) {
    Error error = met;
    try {
        send();
        if (said_.lacks()) error = met.within(SaidOnce::disagreement().what());  // less came than what was sent
    } catch (const Error& other) {
        error = met.within(other.what());
    }
    may_repeat_ = false;
    open(kFailed);
    put(static_cast<std::uint8_t>(error.kind()));
    put(error.sentences());
    close();
    send();
}

void FrameWriter::finished() {
    send();
    said_.finish();
    open(kFinished);
    close();
    send();
}

}  // namespace tiffany::ctf
