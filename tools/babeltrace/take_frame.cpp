// The reading end of the pipe.

#include <cstring>
#include <type_traits>

#include "frame_kinds.hpp"
#include "frames.hpp"

namespace tiffany::ctf {
namespace {

constexpr std::size_t kMostSentences = 100;  // of an error: one for each layer that it went through

/// Reads what FrameWriter wrote. Both are of one build; but who decodes what it does not trust is not trusted either:
/// nothing is taken for a size, a number of an event or a kind of error that cannot be one.
class Taker {
  public:
    explicit Taker(std::string_view bytes) : bytes_{bytes} {}

    template <typename Number>
    Number number() {
        static_assert(std::is_integral_v<Number> && !std::is_same_v<Number, bool>);
        Number value{};
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    bool yes() { return number<std::uint8_t>() != 0; }
    std::string_view text() { return take(number<std::uint32_t>()); }
    std::vector<std::string> texts() {
        std::vector<std::string> made;  // grows with what is there, not with what is said
        for (auto left = number<std::uint32_t>(); left != 0; --left)
            made.emplace_back(text());
        return made;
    }
    Counts counts() {
        Counts made;
        for (auto left = number<std::uint32_t>(); left != 0; --left) {
            const std::string name{text()};
            made[name] = number<std::uint64_t>();
        }
        return made;
    }

    std::string_view take(std::size_t size) {
        if (size > bytes_.size()) refuse();
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }

    [[noreturn]] static void refuse() { throw Error{ErrorKind::system, "the decoding process sent a broken message"}; }

  private:
    std::string_view bytes_;
};

ErrorKind error_kind(std::uint8_t number) {
    for (const ErrorKind kind : {ErrorKind::usage, ErrorKind::content, ErrorKind::system})
        if (static_cast<std::uint8_t>(kind) == number) return kind;
    Taker::refuse();
}

inline void set(std::string& text, const char*& at, std::size_t size) {
    if (size == 0) {  // most are
        text.clear();
        return;
    }
    if (text.size() != size || std::memcmp(text.data(), at, size) != 0) text.assign(at, size);
    at += size;
}

void take_record(std::string_view bytes, pal::Record& record) {
    RecordFrame frame;
    constexpr std::size_t kSizeBefore = sizeof frame.size;  // which is not a part of `bytes`
    if (bytes.size() < sizeof frame - kSizeBefore) Taker::refuse();
    std::memcpy(reinterpret_cast<char*>(&frame) + kSizeBefore, bytes.data(), sizeof frame - kSizeBefore);
    if (frame.event >= kEvents && frame.event != kUnknownEvent) Taker::refuse();
    record.info = frame.event == kUnknownEvent ? nullptr : &catalogue::info(static_cast<EventId>(frame.event));
    const std::size_t fields = record.info == nullptr ? 0 : record.info->fields.size();
    std::size_t whole = sizeof frame - kSizeBefore + fields * sizeof(std::uint64_t);
    for (const std::uint32_t size : frame.text_bytes)
        whole += size;
    if (whole > bytes.size()) Taker::refuse();
    record.ts_ns = frame.ts_ns;
    record.pid = frame.pid;
    record.worker = pal::WorkerId::from_event(frame.worker);
    record.seq = frame.seq;
    record.tid = frame.tid;
    record.step = frame.step;
    const char* at = bytes.data() + sizeof frame - kSizeBefore;
    record.numbers.fill(0);
    for (std::size_t i = 0; i < fields; ++i, at += sizeof(std::uint64_t))
        std::memcpy(&record.numbers[i], at, sizeof(std::uint64_t));
    set(record.unknown, at, frame.text_bytes[0]);
    set(record.host, at, frame.text_bytes[1]);
    set(record.texts[0], at, frame.text_bytes[2]);
    set(record.texts[1], at, frame.text_bytes[3]);
}

ReadSummary take_summary(Taker& from) {
    ReadSummary seen;
    for (std::uint64_t ReadSummary::*const count : kSummaryCounts)
        seen.*count = from.number<std::uint64_t>();
    seen.without_buffers = from.number<std::uint64_t>();
    seen.at_most = from.yes();
    seen.refused = from.yes();
    seen.selection = from.texts();
    seen.lent = from.texts();
    seen.bad_parts = from.texts();
    seen.uncounted = from.texts();
    seen.unknown_events = from.counts();
    seen.unknown_fields = from.counts();
    for (auto left = from.number<std::uint32_t>(); left != 0; --left) {
        TraceCounts& trace = seen.traces.emplace_back();
        trace.directory = from.text();
        trace.records = from.number<std::uint64_t>();
        trace.transitions = from.number<std::uint64_t>();
        trace.open_workers = from.number<std::uint64_t>();
    }
    return seen;
}

}  // namespace

void ChildHandler::block(std::uint32_t /*bytes*/) {
    Taker::refuse();
}
void ChildHandler::digested(const ReadSummary& /*seen*/, std::uint64_t /*findings*/) {
    Taker::refuse();
}
void ChildHandler::left() {
    Taker::refuse();
}
void ChildHandler::metadata(std::string_view /*uuid*/, std::string_view /*text*/) {
    Taker::refuse();
}
void ChildHandler::index(std::string_view /*stream*/, std::string_view /*bytes*/) {
    Taker::refuse();
}
void ChildHandler::bounds(const Said& /*said*/) {
    Taker::refuse();
}

void NothingRead::facts(const TraceFacts& /*facts*/) {
    Taker::refuse();
}
void NothingRead::begin(const pal::Begin& /*begin*/) {
    Taker::refuse();
}
void NothingRead::discarded(const pal::Discarded& /*discarded*/) {
    Taker::refuse();
}
void NothingRead::gap(const pal::Gap& /*gap*/) {
    Taker::refuse();
}
void NothingRead::end(const pal::End& /*end*/) {
    Taker::refuse();
}
void NothingRead::unknown(const Counts& /*events*/, const Counts& /*fields*/) {
    Taker::refuse();
}
void NothingRead::left_out(std::uint64_t /*ticks*/) {
    Taker::refuse();
}
void NothingRead::lacks(const std::string& /*what*/) {
    Taker::refuse();
}
void NothingRead::cut(const std::string& /*what*/) {
    Taker::refuse();
}

FrameResult take_frame(std::string_view frame, pal::Record& record, FrameHandler& handler, ChildHandler& starter) {
    if (!frame.empty() && frame.front() == static_cast<char>(kRecord)) {
        take_record(frame, record);
        return FrameResult::record;
    }
    Taker from{frame};
    switch (from.number<std::uint8_t>()) {
        case kRecord:
            break;  // above
        case kFacts: {
            TraceFacts facts;
            facts.tiffany = from.yes();
            facts.selection = from.yes();
            facts.from_start = from.yes();
            facts.events = from.texts();
            facts.clock = from.text();
            facts.host = from.text();
            handler.facts(facts);
            return FrameResult::handled;
        }
        case kDiscarded: {
            pal::Discarded discarded;
            discarded.begin_ns = from.number<std::uint64_t>();
            discarded.end_ns = from.number<std::uint64_t>();
            discarded.count = from.number<std::uint64_t>();
            discarded.only_transitions = from.yes();
            discarded.only_others = from.yes();
            discarded.counted = from.yes();
            handler.discarded(discarded);
            return FrameResult::handled;
        }
        case kBegin: {
            pal::Begin begin;
            begin.ts_ns = from.number<std::uint64_t>();
            begin.tool = from.text();
            begin.trace = from.text();
            begin.clock = from.text();
            begin.events = from.texts();
            begin.catalogue = from.number<std::uint16_t>();
            for (auto left = from.number<std::uint64_t>(); left != 0; --left) {
                const auto worker = pal::WorkerId::from_event(from.number<std::uint64_t>());
                begin.first.push_back({worker, from.number<std::uint64_t>()});
            }
            handler.begin(begin);
            return FrameResult::handled;
        }
        case kGap: {
            pal::Gap gap;
            gap.ts_ns = from.number<std::uint64_t>();
            gap.worker = pal::WorkerId::from_event(from.number<std::uint64_t>());
            gap.from_seq = from.number<std::uint64_t>();
            gap.to_seq = from.number<std::uint64_t>();
            gap.lost = from.number<std::uint64_t>();
            gap.explained = from.yes();
            handler.gap(gap);
            return FrameResult::handled;
        }
        case kEnd: {
            pal::End end;
            end.ts_ns = from.number<std::uint64_t>();
            end.records = from.number<std::uint64_t>();
            end.lost = from.number<std::uint64_t>();
            end.tail = from.number<std::uint64_t>();
            end.at_most = from.yes();
            end.lost_others = from.number<std::uint64_t>();
            end.bad_parts = from.number<std::uint64_t>();
            end.uncounted = from.texts();
            handler.end(end);
            return FrameResult::handled;
        }
        case kUnknown: {
            const Counts events = from.counts();
            handler.unknown(events, from.counts());
            return FrameResult::handled;
        }
        case kLeftOut:
            handler.left_out(from.number<std::uint64_t>());
            return FrameResult::handled;
        case kLacks:
            handler.lacks(std::string{from.text()});
            return FrameResult::handled;
        case kCut:
            handler.cut(std::string{from.text()});
            return FrameResult::handled;
        case kAlive:
            return FrameResult::handled;
        case kFailed: {
            const ErrorKind kind = error_kind(from.number<std::uint8_t>());
            const std::vector<std::string> sentences = from.texts();
            if (sentences.empty()) throw Error{kind, "the decoding process failed"};
            if (sentences.size() > kMostSentences) Taker::refuse();
            Error error{kind, sentences.back()};
            for (auto sentence = sentences.rbegin() + 1; sentence != sentences.rend(); ++sentence)
                error = error.within(*sentence);
            throw error;
        }
        case kFinished:
            return FrameResult::finished;
        case kBlock:
            starter.block(from.number<std::uint32_t>());
            return FrameResult::handled;
        case kDigested: {
            const auto findings = from.number<std::uint64_t>();
            starter.digested(take_summary(from), findings);
            return FrameResult::handled;
        }
        case kLeft:
            starter.left();
            return FrameResult::handled;
        case kMetadata: {
            const std::string_view uuid = from.text();
            starter.metadata(uuid, from.text());
            return FrameResult::handled;
        }
        case kIndex: {
            const std::string_view stream = from.text();
            starter.index(stream, from.text());
            return FrameResult::handled;
        }
        case kBounds: {
            Said said;
            said.bytes = from.number<std::uint64_t>();
            said.hash = from.number<std::uint64_t>();
            starter.bounds(said);
            return FrameResult::handled;
        }
    }
    throw Error{ErrorKind::system, "the decoding process sent a message of an unknown kind"};
}

}  // namespace tiffany::ctf
