#pragma once
/// Types of TSDL: what `integer {...}`, `struct {...}` and the names for them mean. Private to the parser.

#include <map>
#include <string>
#include <string_view>

#include "tsdl.hpp"
#include "tsdl_lexer.hpp"

namespace tiffany::ctf::tsdl {

/// Says why, and where the text is.
[[noreturn]] void refuse(std::string_view what, const Token& found);

class TypeParser {
  public:
    TypeParser(Lexer& in, const std::optional<Clock>& clock) : in_{in}, clock_{clock} {}

    /// `struct ...`, `integer ...`, an alias, ...: all but what follows the field's name.
    TypePtr type();
    /// `typealias TYPE := NAME;`, after its first word.
    void alias();
    /// `struct NAME {...} align(8);`, after its first word.
    void named_struct();

    /// Takes a sign, or refuses.
    void expect(std::string_view sign);
    bool take_if(std::string_view sign);
    std::string word(std::string_view what);
    std::string text(std::string_view what);
    std::uint64_t number(std::string_view what);
    std::int64_t signed_number(std::string_view what);

  private:
    TypePtr integer();
    TypePtr floating();
    TypePtr enumeration();
    TypePtr structure();
    TypePtr structure_body();
    TypePtr variant();
    TypePtr string();
    std::vector<Member> members();
    Member member(const std::vector<Member>& before);
    void attribute(Type& of);
    unsigned align_after();

    Lexer& in_;
    const std::optional<Clock>& clock_;
    std::map<std::string, TypePtr, std::less<>> aliases_;
    std::map<std::string, TypePtr, std::less<>> structs_;
    int depth_ = 0;
};

}  // namespace tiffany::ctf::tsdl
