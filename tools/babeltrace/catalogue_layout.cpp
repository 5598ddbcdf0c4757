#include "catalogue_layout.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tiffany::ctf {
namespace {

// ---- each event's fields, for whoever wants to walk over them ----

#define TIFFANY_WORKER() walk.template identity<std::uint64_t, kWorkerSlot>();
#define TIFFANY_TID() walk.template identity<std::uint64_t, kTidSlot>();
#define TIFFANY_SEQ() walk.template identity<std::uint64_t, kSeqSlot>();
#define TIFFANY_STEP() walk.template identity<std::uint64_t, kStepSlot>();
#define TIFFANY_PID() walk.template identity<std::uint32_t, kPidSlot>();
#define TIFFANY_U8(name, meaning) walk.template number<std::uint8_t>();
#define TIFFANY_U16(name, meaning) walk.template number<std::uint16_t>();
#define TIFFANY_U32(name, meaning) walk.template number<std::uint32_t>();
#define TIFFANY_U64(name, meaning) walk.template number<std::uint64_t>();
#define TIFFANY_DURATION(name, meaning) walk.template number<std::uint64_t>();
#define TIFFANY_ENUM(name, enumeration, meaning) walk.template number<std::uint8_t>();
#define TIFFANY_STRING(name, bytes, meaning) walk.text();
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields)       \
    struct FieldsOfTask##Name {                                                \
        template <typename Walk>                                               \
        static constexpr void visit(Walk& walk) {                              \
            TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields \
        }                                                                      \
    };
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    struct FieldsOf##Name {                                                    \
        template <typename Walk>                                               \
        static constexpr void visit(Walk& walk) {                              \
            fields                                                             \
        }                                                                      \
    };
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    struct FieldsOf##Name {                                                   \
        template <typename Walk>                                              \
        static constexpr void visit(Walk& walk) {                             \
            fields                                                            \
        }                                                                     \
    };
#include <tiffany/tracepoints/task_events.def>

/// The steps that take them.
class StepWalk {
  public:
    template <typename Number, NumberSlot slot>
    void identity() {
        add_number(steps_, slot, sizeof(Number));
        ++field_;
    }
    template <typename Number>
    void number() {
        add_number(steps_, static_cast<std::uint8_t>(kOwnSlot + field_++), sizeof(Number));
    }
    void text() {
        add_text(steps_, text_++);
        ++field_;
    }
    const Layout& steps() const { return steps_; }

  private:
    Layout steps_;
    std::size_t field_ = 0;
    std::uint8_t text_ = 0;
};

/// What of them is the same in each event of the class.
class ShapeWalk {
  public:
    template <typename Number, NumberSlot slot>
    constexpr void identity() {
        least_ += sizeof(Number);
        ++field_;
    }
    template <typename Number>
    constexpr void number() {
        least_ += sizeof(Number);
        is_own_.at(field_++) = true;
    }
    constexpr void text() {
        ++least_;
        ++field_;
    }
    /// Bytes: of the numbers, and of the end of each text.
    constexpr std::size_t least() const { return least_; }
    constexpr bool is_own(std::size_t number) const { return is_own_.at(number); }

  private:
    std::size_t least_ = 0;
    std::size_t field_ = 0;
    std::array<bool, pal::kMaxFields> is_own_{};
};

template <typename Fields>
constexpr ShapeWalk shape() {
    ShapeWalk walk;
    Fields::visit(walk);
    return walk;
}

/// Of all numbers those that the event does not have; one by one, which becomes fewer and wider stores, and no loop.
template <typename Fields, std::size_t... numbers>
void clear_others(pal::Record& record, std::index_sequence<numbers...> /*all*/) {
    constexpr ShapeWalk kShape = shape<Fields>();
    ((kShape.is_own(numbers) ? void() : void(record.numbers[numbers] = 0)), ...);
}

/// Takes them out of bytes. All is inlined: what it counts is known when this is compiled, and so is the place of each
/// number up to a text.
class DecodeWalk {
  public:
    DecodeWalk(Bytes bytes, std::size_t least, pal::Record& record)
        : at_{bytes.data()}, end_{bytes.data() + bytes.size()}, least_{least}, record_{record} {
        need_the_rest();
        record.tid = record.seq = record.step = 0;
    }

    template <typename Number, NumberSlot slot>
    void identity() {
        const auto value = take<Number>();
        if constexpr (slot == kWorkerSlot) record_.worker = pal::WorkerId::from_event(value);
        if constexpr (slot == kTidSlot) record_.tid = value;
        if constexpr (slot == kSeqSlot) record_.seq = value;
        if constexpr (slot == kStepSlot) record_.step = value;
        if constexpr (slot == kPidSlot) record_.pid = value;
        ++field_;
    }
    template <typename Number>
    void number() {
        record_.numbers[field_++] = take<Number>();
    }
    void text() {
        const std::size_t size = text_size({at_, end_});
        record_.texts[text_++].assign(reinterpret_cast<const char*>(at_), size);
        ++field_;
        at_ += size + 1;
        --least_;
        need_the_rest();
    }
    /// Returns where the event ends.
    const unsigned char* finish() {
        for (; text_ < pal::kMaxTexts; ++text_)
            if (!record_.texts[text_].empty()) record_.texts[text_].clear();
        return at_;
    }

  private:
    void need_the_rest() const {
        if (static_cast<std::size_t>(end_ - at_) < least_) refuse_cut();
    }
    template <typename Number>
    Number take() {
        Number value{};
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        least_ -= sizeof value;
        return value;
    }

    const unsigned char* at_;
    const unsigned char* end_;
    std::size_t least_;  // of what is still to be taken
    std::size_t field_ = 0;
    std::size_t text_ = 0;
    pal::Record& record_;
};

template <typename Fields>
const unsigned char* decode(Bytes bytes, pal::Record& record) {
    constexpr ShapeWalk kShape = shape<Fields>();
    DecodeWalk walk{bytes, kShape.least(), record};
    Fields::visit(walk);
    clear_others<Fields>(record, std::make_index_sequence<pal::kMaxFields>{});
    return walk.finish();
}

template <typename Fields>
Layout steps() {
    StepWalk walk;
    Fields::visit(walk);
    return walk.steps();
}

struct InCode {
    Layout (*steps)();
    DecodeFields decode;
};

template <typename Fields>
constexpr InCode in_code() {
    return {steps<Fields>, decode<Fields>};
}

// by EventId
constexpr std::array<InCode, kEvents> kInCode{
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) in_code<FieldsOfTask##Name>(),
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) in_code<FieldsOf##Name>(),
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) in_code<FieldsOf##Name>(),
#include <tiffany/tracepoints/task_events.def>
};

}  // namespace

DecodeFields catalogue_decoder(const EventPlan& plan, const Layout& steps) {
    if (plan.info == nullptr) return nullptr;
    const InCode& known = kInCode.at(static_cast<std::size_t>(plan.info->id));
    return steps == known.steps() ? known.decode : nullptr;
}

}  // namespace tiffany::ctf
