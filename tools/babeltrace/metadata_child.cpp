#include "metadata_child.hpp"

#include <tiffany/pal/error.hpp>
#include <utility>

namespace tiffany::ctf {

MetadataChild::MetadataChild(const std::string& name, const std::function<void(FrameWriter&)>& work,
                             std::chrono::seconds patience, std::size_t most, std::size_t most_text)
    : child_{name, work, patience}, most_{most}, most_text_{most_text} {}

std::vector<ToldMetadata> MetadataChild::all() try {
    NothingRead nothing;
    pal::Record none;
    if (child_.next(none, nothing, *this)) return {};  // a record is none of its business
    return std::move(told_);
} catch (const Error&) {
    return {};
}

void MetadataChild::metadata(std::string_view uuid, std::string_view text) {
    constexpr std::size_t kUuidText = 36;
    if (told_.size() == most_ || uuid.size() > kUuidText || text.size() > most_text_)
        throw Error{ErrorKind::system, "the decoding process told of more metadata than there is"};
    told_.push_back({std::string{uuid}, std::string{text}});
}

}  // namespace tiffany::ctf
