#pragma once
/// The part of TSDL (CTF 1.8, 7) in which LTTng describes a trace, as values.
///
/// Strict: what it does not know in full, or babeltrace2 might take otherwise, is not plain. It is for the native
/// reader only, which leaves such a trace to babeltrace2; so nothing here needs to be told to a user as an error of the
/// trace.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiffany::ctf {

/// Why the native reader does not read a trace: a sentence, with the file if it is not the metadata.
struct NotPlain {
    std::string why;
};

namespace tsdl {

struct Type;
using TypePtr = std::shared_ptr<const Type>;

struct Member {
    std::string name;  ///< as babeltrace2 has it: without the underscore before it
    TypePtr type;
};

struct Label {
    std::string name;
    std::int64_t from = 0;
    std::int64_t to = 0;  ///< closed
};

struct Type {
    enum class Kind : std::uint8_t { integer, enumeration, floating, string, structure, variant, array, sequence };

    Kind kind = Kind::integer;
    unsigned bits = 0;   ///< of a number
    unsigned align = 8;  ///< bits, a power of two
    bool is_signed = false;
    bool is_text = false;           ///< an integer that is a character
    bool foreign = false;           ///< in the other byte order
    bool clock = false;             ///< it is a value of the clock
    std::vector<Label> labels{};    ///< of an enumeration
    std::vector<Member> members{};  ///< of a structure or a variant
    std::string tag{};              ///< the field that a variant or a sequence depends on
    std::uint64_t length = 0;       ///< of an array
    TypePtr element{};              ///< of an array or a sequence
};

struct Event {
    std::uint64_t id = 0;
    std::string name;
    TypePtr context;  ///< null if there is none; so below
    TypePtr payload;
};

struct Stream {
    std::uint64_t id = 0;
    TypePtr event_header;
    TypePtr event_context;
    TypePtr packet_context;
    std::vector<Event> events;
};

struct Clock {
    std::string name;
    std::uint64_t frequency = 1'000'000'000;  ///< Hz
    std::uint64_t offset_s = 0;
    std::uint64_t offset = 0;  ///< cycles
};

struct Metadata {
    std::array<std::uint8_t, 16> uuid{};
    TypePtr packet_header;
    std::map<std::string, std::string> env_texts;
    std::map<std::string, std::int64_t> env_numbers;
    std::optional<Clock> clock;
    std::vector<Stream> streams;  ///< in the order of their declarations
};

/// Little-endian TSDL text, out of its packets. Cost: linear in the text.
/// Errors: NotPlain.
Metadata parse(std::string_view text);

}  // namespace tsdl
}  // namespace tiffany::ctf
