#pragma once
/// What PlainLine compares lines with: line_plan.hpp, made ready for comparing. Private to pal.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "byte_word.hpp"
#include "line_plan.hpp"

namespace tiffany::pal {

/// A short constant text, found again without a loop.
class Token {
  public:
    static constexpr std::size_t kMost = 2 * kWord;

    constexpr Token() = default;
    /// At most kMost bytes, else std::length_error.
    constexpr explicit Token(std::string_view text) : size_{text.size()} {
        if (text.size() > kMost) throw std::length_error{"the token is too long"};
        for (std::size_t i = 0; i < text.size(); ++i) {
            const std::size_t shift = i % kWord * 8;
            words_[i / kWord] |= std::uint64_t{static_cast<unsigned char>(text[i])} << shift;
            masks_[i / kWord] |= std::uint64_t{0xff} << shift;
        }
    }

    /// Reads kMost bytes.
    bool is_at(const char* at) const {
        const std::uint64_t first = (word_at(at) ^ words_[0]) & masks_[0];
        const std::uint64_t second = (word_at(at + kWord) ^ words_[1]) & masks_[1];
        return (first | second) == 0;
    }
    std::size_t size() const { return size_; }

  private:
    std::array<std::uint64_t, 2> words_{};
    std::array<std::uint64_t, 2> masks_{};
    std::size_t size_ = 0;
};

/// A few words, each with its number, found before a quote.
class WordSet {
  public:
    struct Word {
        Token text;  // its quote too; empty: none
        std::uint64_t number = 0;
    };

    /// Words of at most 15 bytes, else std::length_error.
    void add(std::string_view word, std::uint64_t number);
    /// The word at `at` if its quote follows, or null. Reads Token::kMost bytes.
    const Word* find(const char* at) const {
        for (std::size_t slot = slot_of(at);; slot = (slot + 1) % kSlots) {
            const Word& word = words_[slot];
            if (word.text.size() == 0) return nullptr;
            if (word.text.is_at(at)) return &word;
        }
    }

  private:
    static constexpr unsigned kSlotBits = 6;
    static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;

    static std::size_t slot_of(const char* at) {
        const std::uint64_t front = word_at(at);
        const std::uint64_t quote = mark_equal(front, '"');
        const std::uint64_t before_quote = quote ^ (quote - 1);  // and the quote: all if there is none
        return static_cast<std::size_t>((front & before_quote) * 0x9e37'79b9'7f4a'7c15 >> (64 - kSlotBits));
    }

    std::array<Word, kSlots> words_{};
};

/// How an own field's value is written.
enum class ValueForm : std::uint8_t { number, duration, label, text };

/// One event: what must follow its name in a line.
struct PlainPlan {
    struct Field {
        Token key;  // `,"run_ns":`; a label's or text's first quote too
        ValueForm form = ValueForm::number;
        std::size_t slot = 0;             // in Record::numbers or Record::texts
        std::uint64_t most = 0;           // numbers
        const WordSet* labels = nullptr;  // labels
    };

    const catalogue::EventInfo* info = nullptr;
    bool has_seq = false, has_tid = false, has_step = false;
    std::string kind;  // `,"kind":"started"`, or empty
    std::vector<Field> fields;
    const PlainPlan* next = nullptr;  // another event of this name, by its kind
};

/// Of every event of the catalogue. Stays where it was made: its parts point to each other.
class PlainPlans {
  public:
    PlainPlans();
    PlainPlans(const PlainPlans&) = delete;
    PlainPlans& operator=(const PlainPlans&) = delete;

    /// By its number the first plan of an event's name.
    const WordSet& names() const { return names_; }
    const PlainPlan& plan(std::uint64_t number) const { return plans_[number]; }

  private:
    const WordSet* labels_of(const catalogue::EnumInfo& enumeration);

    std::vector<PlainPlan> plans_;  // by EventId
    WordSet names_;
    std::vector<std::unique_ptr<WordSet>> labels_;  // by the catalogue's order of closed sets
};

}  // namespace tiffany::pal
