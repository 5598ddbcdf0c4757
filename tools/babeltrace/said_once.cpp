#include "said_once.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tiffany::ctf {

Error SaidOnce::disagreement() {
    return Error{ErrorKind::system,
                 "the native reader gave something else than babeltrace2 before it met what it cannot read "
                 "(--reader babeltrace2 gives that)"};
}

std::string_view SaidOnce::news(std::string_view bytes) {
    if (!repeated_) {
        hash_.add(bytes);
        return bytes;
    }
    if (!first_) return bytes;
    const std::size_t known = std::min<std::uint64_t>(bytes.size(), first_->bytes - hash_.size());
    hash_.add(bytes.substr(0, known));
    if (hash_.size() < first_->bytes) return {};
    const bool agrees = hash_.value() == first_->hash;
    first_.reset();
    if (!agrees) throw disagreement();
    return bytes.substr(known);
}

void SaidOnce::again(const Said& said) {
    repeated_ = true;
    if (said.bytes != 0) first_ = said;
    hash_ = {};
}

void SaidOnce::finish() {
    if (std::exchange(first_, std::nullopt)) throw disagreement();
}

}  // namespace tiffany::ctf
