#include "tsdl_types.hpp"

#include <algorithm>
#include <limits>
#include <set>

namespace tiffany::ctf::tsdl {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::uint64_t kMaxArray = 1U << 20U;

bool is_keyword(std::string_view word) {
    static const std::set<std::string_view> kKeywords{
        "align",  "callsite",       "char",      "clock",   "const",    "double",  "enum",   "env",    "event",
        "float",  "floating_point", "int",       "integer", "long",     "short",   "signed", "stream", "string",
        "struct", "trace",          "typealias", "typedef", "unsigned", "variant", "void"};
    return kKeywords.contains(word);
}

std::string without_underscore(const std::string& name) {
    return name.starts_with('_') ? name.substr(1) : name;
}

unsigned align_of(const Type& type) {
    unsigned align = type.align;
    if (type.element != nullptr) align = std::max(align, align_of(*type.element));
    return align;
}

bool fits(const Type& integer, std::int64_t value) {
    if (integer.bits >= 63) return integer.is_signed || value >= 0;
    const std::int64_t end = std::int64_t{1} << (integer.is_signed ? integer.bits - 1 : integer.bits);
    return value < end && value >= (integer.is_signed ? -end : 0);
}

}  // namespace

void refuse(std::string_view what, const Token& found) {
    std::string said{"the metadata has, where "};
    said.append(what).append(" was expected, ");
    if (found.kind == TokenKind::end)
        said.append("its end");
    else
        said.append("\"").append(found.text.substr(0, 40)).append("\"");
    throw NotPlain{said};
}

void TypeParser::expect(std::string_view sign) {
    if (!take_if(sign)) refuse(std::string{"\""}.append(sign).append("\""), in_.now());
}

bool TypeParser::take_if(std::string_view sign) {
    const Token& now = in_.now();
    if ((now.kind != TokenKind::sign && now.kind != TokenKind::word) || now.text != sign) return false;
    in_.take();
    return true;
}

std::string TypeParser::word(std::string_view what) {
    if (in_.now().kind != TokenKind::word) refuse(what, in_.now());
    return std::string{in_.take().text};
}

std::string TypeParser::text(std::string_view what) {
    if (in_.now().kind != TokenKind::text) refuse(what, in_.now());
    return std::string{in_.take().text};
}

std::uint64_t TypeParser::number(std::string_view what) {
    if (in_.now().kind != TokenKind::number) refuse(what, in_.now());
    return in_.take().number;
}

std::int64_t TypeParser::signed_number(std::string_view what) {
    const bool minus = take_if("-");
    const std::uint64_t value = number(what);
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        throw NotPlain{"the metadata has a number above 2^63"};
    return minus ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

TypePtr TypeParser::type() {
    if (++depth_ > kMaxDepth) throw NotPlain{"the metadata has types within types, too deep"};
    TypePtr made;
    const std::string_view first = in_.now().text;
    if (in_.now().kind != TokenKind::word) refuse("a type", in_.now());
    if (first == "integer")
        made = integer();
    else if (first == "floating_point")
        made = floating();
    else if (first == "enum")
        made = enumeration();
    else if (first == "struct")
        made = structure();
    else if (first == "variant")
        made = variant();
    else if (first == "string")
        made = string();
    else {
        std::string name{in_.take().text};
        if (name == "unsigned" && in_.now().text == "long") name += " " + std::string{in_.take().text};
        const auto found = aliases_.find(name);
        if (found == aliases_.end()) throw NotPlain{"the metadata has an unknown type " + name};
        made = found->second;
    }
    --depth_;
    return made;
}

void TypeParser::attribute(Type& of) {
    const std::string name = word("an attribute");
    expect("=");
    const auto one_of = [&](std::initializer_list<std::string_view> known) {
        const Token value = in_.take();
        if (std::find(known.begin(), known.end(), value.text) == known.end()) refuse("a value of " + name, value);
        return value.text;
    };
    if (name == "size") {
        of.bits = static_cast<unsigned>(std::min<std::uint64_t>(number("a size"), 1000));
    } else if (name == "align") {
        of.align = static_cast<unsigned>(std::min<std::uint64_t>(number("an alignment"), 1000));
    } else if (name == "exp_dig" || name == "mant_dig") {
        of.bits += static_cast<unsigned>(std::min<std::uint64_t>(number("a size"), 1000));
    } else if (name == "signed") {
        const std::string_view value = one_of({"0", "1", "false", "true"});
        of.is_signed = value == "1" || value == "true";
    } else if (name == "base") {
        one_of({"2", "8", "10", "16"});
    } else if (name == "encoding") {
        of.is_text = one_of({"none", "UTF8", "ASCII"}) != "none";
    } else if (name == "byte_order") {
        of.foreign = one_of({"le", "be", "native"}) == "be";
    } else if (name == "map") {
        if (word("clock") != "clock") throw NotPlain{"the metadata maps an integer to something else than a clock"};
        expect(".");
        if (!clock_ || word("a clock's name") != clock_->name) throw NotPlain{"the metadata maps to an unknown clock"};
        expect(".");
        if (word("value") != "value") throw NotPlain{"the metadata maps to something else than a clock's value"};
        of.clock = true;
    } else {
        throw NotPlain{"the metadata has an unknown attribute " + name};
    }
    expect(";");
}

TypePtr TypeParser::integer() {
    in_.take();
    auto made = std::make_shared<Type>();
    made->align = 1;
    expect("{");
    std::set<std::string, std::less<>> seen;
    while (!take_if("}")) {
        if (!seen.emplace(in_.now().text).second) throw NotPlain{"the metadata has an attribute twice"};
        if (in_.now().text == "exp_dig" || in_.now().text == "mant_dig")
            refuse("an attribute of an integer", in_.now());
        attribute(*made);
    }
    if (!seen.contains("size") || !seen.contains("align")) throw NotPlain{"the metadata has an integer without size"};
    const bool bytes = made->bits == 8 || made->bits == 16 || made->bits == 32 || made->bits == 64;
    const bool of_compact_header = made->align == 1 && (made->bits == 5 || made->bits == 27);
    if (!of_compact_header &&
        (!bytes || (made->align != 8 && made->align != 16 && made->align != 32 && made->align != 64)))
        throw NotPlain{"the metadata has integers that are no whole bytes"};
    return made;
}

TypePtr TypeParser::floating() {
    in_.take();
    auto made = std::make_shared<Type>();
    made->kind = Type::Kind::floating;
    expect("{");
    std::set<std::string, std::less<>> seen;
    unsigned exponent = 0;
    while (!take_if("}")) {
        const std::string_view name = in_.now().text;
        if (!seen.emplace(name).second ||
            (name != "exp_dig" && name != "mant_dig" && name != "align" && name != "byte_order"))
            refuse("an attribute of a floating_point", in_.now());
        const unsigned before = made->bits;
        attribute(*made);
        if (name == "exp_dig") exponent = made->bits - before;
    }
    const bool known = (made->bits == 32 && exponent == 8) || (made->bits == 64 && exponent == 11);
    if (!known || (made->align != 8 && made->align != 32 && made->align != 64))
        throw NotPlain{"the metadata has a floating-point number of an unknown size"};
    return made;
}

TypePtr TypeParser::string() {
    in_.take();
    auto made = std::make_shared<Type>();
    made->kind = Type::Kind::string;
    if (take_if("{"))
        while (!take_if("}")) {
            if (in_.now().text != "encoding") refuse("an encoding", in_.now());
            attribute(*made);
        }
    return made;
}

TypePtr TypeParser::enumeration() {
    in_.take();
    expect(":");
    const TypePtr number = type();
    if (number->kind != Type::Kind::integer || number->clock) throw NotPlain{"the metadata has an odd enumeration"};
    auto made = std::make_shared<Type>(*number);
    made->kind = Type::Kind::enumeration;
    std::set<std::string> names;
    std::int64_t next = 0;
    expect("{");
    while (!take_if("}")) {
        Label label;
        label.name = in_.now().kind == TokenKind::text ? text("a label") : word("a label");
        if (!names.insert(label.name).second) throw NotPlain{"the metadata has a label twice"};
        label.from = label.to = next;
        if (take_if("=")) {
            label.from = label.to = signed_number("a label's value");
            if (take_if("...")) label.to = signed_number("the end of a label's range");
        }
        if (label.to < label.from || !fits(*made, label.from) || !fits(*made, label.to) ||
            label.to == std::numeric_limits<std::int64_t>::max())
            throw NotPlain{"the metadata has a label whose value does not fit"};
        next = label.to + 1;
        made->labels.push_back(label);
        if (!take_if(",") && in_.now().text != "}") refuse("a comma", in_.now());
    }
    if (made->labels.empty()) throw NotPlain{"the metadata has an enumeration without a value"};
    return made;
}

Member TypeParser::member(const std::vector<Member>& before) {
    Member made{{}, type()};
    const std::string name = word("a field's name");
    if (is_keyword(name)) throw NotPlain{"the metadata has a field named " + name};
    made.name = without_underscore(name);
    if (made.name.empty()) throw NotPlain{"the metadata has a field without a name"};
    if (take_if("[")) {
        auto array = std::make_shared<Type>();
        array->element = made.type;
        array->align = made.type->align;
        if (in_.now().kind == TokenKind::number) {
            array->kind = Type::Kind::array;
            array->length = number("a length");
            if (array->length > kMaxArray) throw NotPlain{"the metadata has an array that is too long"};
        } else {
            array->kind = Type::Kind::sequence;
            array->tag = without_underscore(word("a field's name"));
            const auto length = std::ranges::find(before, array->tag, &Member::name);
            if (length == before.end() || length->type->kind != Type::Kind::integer || length->type->is_signed)
                throw NotPlain{"the metadata has a sequence whose length is no field before it"};
        }
        expect("]");
        made.type = array;
    }
    expect(";");
    return made;
}

std::vector<Member> TypeParser::members() {
    std::vector<Member> made;
    std::set<std::string> names;
    expect("{");
    while (!take_if("}")) {
        made.push_back(member(made));
        if (!names.insert(made.back().name).second) throw NotPlain{"the metadata has two fields of one name"};
    }
    return made;
}

unsigned TypeParser::align_after() {
    if (!take_if("align")) return 1;
    expect("(");
    const std::uint64_t align = number("an alignment");
    expect(")");
    if (align != 8) throw NotPlain{"the metadata has a struct with an odd alignment"};
    return 8;
}

TypePtr TypeParser::structure_body() {
    auto made = std::make_shared<Type>();
    made->kind = Type::Kind::structure;
    made->members = members();
    made->align = align_after();
    for (const Member& member : made->members)
        made->align = std::max(made->align, align_of(*member.type));
    return made;
}

TypePtr TypeParser::structure() {
    in_.take();
    if (in_.now().text == "{") return structure_body();
    const std::string name = word("a struct's name");
    const auto found = structs_.find(name);
    if (found == structs_.end()) throw NotPlain{"the metadata has an unknown struct " + name};
    return found->second;
}

TypePtr TypeParser::variant() {
    in_.take();
    auto made = std::make_shared<Type>();
    made->kind = Type::Kind::variant;
    expect("<");
    made->tag = word("a tag");
    expect(">");
    made->members = members();
    made->align = 1;
    return made;
}

void TypeParser::alias() {
    const TypePtr meant = type();
    expect(":=");
    std::string name = word("a name");
    while (in_.now().kind == TokenKind::word)
        name += " " + word("a name");
    expect(";");
    if ((is_keyword(name) || meant->kind == Type::Kind::structure || meant->kind == Type::Kind::variant) ||
        !aliases_.emplace(name, meant).second)
        throw NotPlain{"the metadata has an odd alias " + name};
}

void TypeParser::named_struct() {
    const std::string name = word("a struct's name");
    if (is_keyword(name)) throw NotPlain{"the metadata has a struct named " + name};
    const TypePtr made = structure_body();
    expect(";");
    if (!structs_.emplace(name, made).second) throw NotPlain{"the metadata has a struct twice: " + name};
}

}  // namespace tiffany::ctf::tsdl
