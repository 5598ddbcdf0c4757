#include "tsdl.hpp"

#include <algorithm>
#include <set>

#include "tsdl_lexer.hpp"
#include "tsdl_types.hpp"

namespace tiffany::ctf::tsdl {
namespace {

constexpr std::uint64_t kMaxEventId = 65'534;

std::array<std::uint8_t, 16> uuid_of(std::string_view text) {
    std::array<std::uint8_t, 16> made{};
    const auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        throw NotPlain{"the metadata has an odd UUID"};
    };
    std::size_t at = 0;
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (text.size() != 36) throw NotPlain{"the metadata has an odd UUID"};
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            throw NotPlain{"the metadata has an odd UUID"};
        made[i] = static_cast<std::uint8_t>(digit(text[at]) << 4U | digit(text[at + 1]));
        at += 2;
    }
    return made;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : in_{text}, types_{in_, made_.clock} {}

    Metadata run() {
        while (in_.now().kind != TokenKind::end) {
            const std::string what = types_.word("a declaration");
            if (what == "typealias")
                types_.alias();
            else if (what == "struct")
                types_.named_struct();
            else if (what == "trace")
                trace();
            else if (what == "env")
                env();
            else if (what == "clock")
                clock();
            else if (what == "stream")
                stream();
            else if (what == "event")
                event();
            else
                throw NotPlain{"the metadata has an unknown declaration " + what};
        }
        if (!has_trace_) throw NotPlain{"the metadata has no block \"trace\""};
        return std::move(made_);
    }

  private:
    /// `{ name = ...; a.b := ...; };`: calls `take` with each name, behind which the sign is still to come.
    template <typename Take>
    void block(const Take& take) {
        std::set<std::string> seen;
        types_.expect("{");
        while (!types_.take_if("}")) {
            std::string name = types_.word("a name");
            while (types_.take_if("."))
                name += "." + types_.word("a name");
            if (!seen.insert(name).second) throw NotPlain{"the metadata has an entry twice: " + name};
            take(name);
            types_.expect(";");
        }
        types_.expect(";");
        seen_ = std::move(seen);
    }

    void need(std::initializer_list<const char*> names) const {
        for (const char* name : names)
            if (!seen_.contains(name)) throw NotPlain{std::string{"the metadata lacks an entry: "} + name};
    }

    [[noreturn]] static void unknown(const std::string& name) {
        throw NotPlain{"the metadata has an unknown entry " + name};
    }

    TypePtr structure() {
        types_.expect(":=");
        TypePtr made = types_.type();
        if (made->kind != Type::Kind::structure) throw NotPlain{"the metadata has, for a struct, something else"};
        return made;
    }

    std::uint64_t number() {
        types_.expect("=");
        return types_.number("a number");
    }
    std::string text() {
        types_.expect("=");
        return types_.text("a text");
    }

    void trace() {
        if (std::exchange(has_trace_, true)) throw NotPlain{"the metadata has two blocks \"trace\""};
        block([&](const std::string& name) {
            if (name == "major" || name == "minor") {
                if (number() != (name == "major" ? 1U : 8U)) throw NotPlain{"the metadata is not CTF 1.8"};
            } else if (name == "uuid") {
                made_.uuid = uuid_of(text());
            } else if (name == "byte_order") {
                types_.expect("=");
                if (types_.word("a byte order") != "le") throw NotPlain{"the trace is not little-endian"};
            } else if (name == "packet.header") {
                made_.packet_header = structure();
            } else {
                unknown(name);
            }
        });
        need({"major", "minor", "uuid", "byte_order", "packet.header"});
    }

    void env() {
        if (std::exchange(has_env_, true)) throw NotPlain{"the metadata has two blocks \"env\""};
        block([&](const std::string& name) {
            types_.expect("=");
            if (in_.now().kind == TokenKind::text)
                made_.env_texts[name] = types_.text("a text");
            else
                made_.env_numbers[name] = types_.signed_number("a number");
        });
    }

    void clock() {
        if (made_.clock) throw NotPlain{"the metadata has two clocks"};
        Clock clock;
        block([&](const std::string& name) {
            if (name == "name")
                clock.name = text();
            else if (name == "uuid")
                uuid_of(text());
            else if (name == "description")
                text();
            else if (name == "freq")
                clock.frequency = number();
            else if (name == "offset_s")
                clock.offset_s = number();
            else if (name == "offset")
                clock.offset = number();
            else
                unknown(name);
        });
        need({"name", "freq"});
        if (clock.frequency == 0 || clock.frequency > 1'000'000'000'000)
            throw NotPlain{"the metadata has a clock of an odd frequency"};
        made_.clock = clock;
    }

    void stream() {
        need_trace();
        Stream made;
        block([&](const std::string& name) {
            if (name == "id")
                made.id = number();
            else if (name == "event.header")
                made.event_header = structure();
            else if (name == "event.context")
                made.event_context = structure();
            else if (name == "packet.context")
                made.packet_context = structure();
            else
                unknown(name);
        });
        need({"id", "event.header", "packet.context"});
        if (find(made.id) != nullptr) throw NotPlain{"the metadata has a stream twice"};
        made_.streams.push_back(std::move(made));
        event_ids_.emplace_back();
    }

    void event() {
        Event made;
        std::uint64_t stream_id = 0;
        block([&](const std::string& name) {
            if (name == "id")
                made.id = number();
            else if (name == "name")
                made.name = text();
            else if (name == "stream_id")
                stream_id = number();
            else if (name == "loglevel")
                number();
            else if (name == "model.emf.uri")
                text();
            else if (name == "context")
                made.context = structure();
            else if (name == "fields")
                made.payload = structure();
            else
                unknown(name);
        });
        need({"id", "name", "stream_id", "fields"});
        Stream* const stream = find(stream_id);
        if (stream == nullptr) throw NotPlain{"the metadata has an event of a stream that is not there"};
        if (made.id > kMaxEventId) throw NotPlain{"the metadata has an event whose number is too great"};
        if (!event_ids_[static_cast<std::size_t>(stream - made_.streams.data())].insert(made.id).second)
            throw NotPlain{"the metadata has an event twice"};
        stream->events.push_back(std::move(made));
    }

    void need_trace() const {
        if (!has_trace_) throw NotPlain{"the metadata has no block \"trace\" before its streams"};
    }

    Stream* find(std::uint64_t id) {
        const auto found = std::ranges::find(made_.streams, id, &Stream::id);
        return found == made_.streams.end() ? nullptr : &*found;
    }

    Metadata made_;
    Lexer in_;
    TypeParser types_;
    std::vector<std::set<std::uint64_t>> event_ids_;  // of made_.streams
    std::set<std::string> seen_;                      // the entries of the last block
    bool has_trace_ = false;
    bool has_env_ = false;
};

}  // namespace

Metadata parse(std::string_view text) {
    if (!text.starts_with("/* CTF 1.8 */")) throw NotPlain{"the metadata is no text of CTF 1.8"};
    return Parser{text}.run();
}

}  // namespace tiffany::ctf::tsdl
