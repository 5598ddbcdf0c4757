#include "frames.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <type_traits>

namespace tiffany::ctf {
namespace {

enum Kind : std::uint8_t {
    kFacts,
    kRecord,
    kDiscarded,
    kBegin,
    kGap,
    kEnd,
    kUnknown,
    kLeftOut,
    kLacks,
    kAlive,
    kFailed,
    kFinished,
};

constexpr std::size_t kSendAt = 32 * 1024;
constexpr std::uint64_t kAliveEveryMs = 200;
constexpr std::uint8_t kUnknownEvent = 0xff;
constexpr std::size_t kMostSentences = 100;  // of an error: one for each layer that it went through
static_assert(kEvents < kUnknownEvent);

std::uint64_t now_ms() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

std::uint64_t worker_number(const pal::WorkerId& id) {
    return id.instance << 16 | id.index;
}

Error broken() {
    return Error{ErrorKind::system, "the decoding process sent a broken message"};
}

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

  private:
    std::string_view take(std::size_t size) {
        if (size > bytes_.size()) throw broken();
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }

    std::string_view bytes_;
};

ErrorKind error_kind(std::uint8_t number) {
    for (const ErrorKind kind : {ErrorKind::usage, ErrorKind::content, ErrorKind::system})
        if (static_cast<std::uint8_t>(kind) == number) return kind;
    throw broken();
}

void take_record(Taker& from, pal::Record& record) {
    const auto id = from.number<std::uint8_t>();
    if (id >= kEvents && id != kUnknownEvent) throw broken();
    record.info = id == kUnknownEvent ? nullptr : &catalogue::info(static_cast<EventId>(id));
    if (record.info == nullptr)
        record.unknown = from.text();
    else
        record.unknown.clear();
    record.ts_ns = from.number<std::uint64_t>();
    record.host = from.text();
    record.pid = from.number<std::uint32_t>();
    record.worker = pal::WorkerId::from_event(from.number<std::uint64_t>());
    record.seq = from.number<std::uint64_t>();
    record.tid = from.number<std::uint64_t>();
    record.step = from.number<std::uint64_t>();
    record.numbers.fill(0);
    const std::size_t fields = record.info == nullptr ? 0 : record.info->fields.size();
    for (std::size_t i = 0; i < fields; ++i)
        record.numbers[i] = from.number<std::uint64_t>();
    for (std::string& text : record.texts)
        text = from.text();
}

}  // namespace

template <typename Number>
void FrameWriter::put(Number value) {
    static_assert(std::is_trivially_copyable_v<Number>);
    buffer_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void FrameWriter::put(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    buffer_.append(text);
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
    open_at_ = buffer_.size();
    put(std::uint32_t{0});
    put(kind);
}

void FrameWriter::close() {
    const auto size = static_cast<std::uint32_t>(buffer_.size() - open_at_ - sizeof(std::uint32_t));
    std::memcpy(buffer_.data() + open_at_, &size, sizeof size);
    if (buffer_.size() >= kSendAt) send();
}

void FrameWriter::send() {
    std::string_view left = buffer_;
    while (!left.empty()) {
        const ssize_t written = ::write(fd_, left.data(), left.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw PipeClosed{};
        left.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
    sent_at_ms_ = now_ms();
}

void FrameWriter::alive() {
    if (now_ms() - sent_at_ms_ < kAliveEveryMs) return;
    open(kAlive);
    close();
    send();
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
    open(kRecord);
    if (record.info == nullptr) {
        put(kUnknownEvent);
        put(std::string_view{record.unknown});
    } else {
        put(static_cast<std::uint8_t>(record.info->id));
    }
    put(record.ts_ns);
    put(std::string_view{record.host});
    put(record.pid);
    put(worker_number(record.worker));
    put(record.seq);
    put(record.tid);
    put(record.step);
    const std::size_t fields = record.info == nullptr ? 0 : record.info->fields.size();
    for (std::size_t i = 0; i < fields; ++i)
        put(record.numbers[i]);
    for (const std::string& text : record.texts)
        put(std::string_view{text});
    close();
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

void FrameWriter::lacks(std::string_view what) {
    open(kLacks);
    put(what);
    close();
}

void FrameWriter::failed(const Error& error) {
    open(kFailed);
    put(static_cast<std::uint8_t>(error.kind()));
    put(error.sentences());
    close();
    send();
}

void FrameWriter::finished() {
    open(kFinished);
    close();
    send();
}

FrameResult take_frame(std::string_view frame, pal::Record& record, FrameHandler& handler) {
    Taker from{frame};
    switch (from.number<std::uint8_t>()) {
        case kRecord:
            take_record(from, record);
            return FrameResult::record;
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
        case kAlive:
            return FrameResult::handled;
        case kFailed: {
            const ErrorKind kind = error_kind(from.number<std::uint8_t>());
            const std::vector<std::string> sentences = from.texts();
            if (sentences.empty()) throw Error{kind, "the decoding process failed"};
            if (sentences.size() > kMostSentences) throw broken();
            Error error{kind, sentences.back()};
            for (auto sentence = sentences.rbegin() + 1; sentence != sentences.rend(); ++sentence)
                error = error.within(*sentence);
            throw error;
        }
        case kFinished:
            return FrameResult::finished;
    }
    throw Error{ErrorKind::system, "the decoding process sent a message of an unknown kind"};
}

}  // namespace tiffany::ctf
