#include "probe_notes.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

constexpr std::string_view kOwner = "stapsdt";
constexpr GElf_Word kProbeNote = 3;

/// An open file with libelf's view of it.
class ElfFile {
  public:
    // O_NONBLOCK: a pipe without a writer would keep us waiting in open().
    explicit ElfFile(const std::string& path) : fd_{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)} {
        if (fd_ < 0) throw Error{ErrorKind::system, "cannot read " + path + ": " + std::strerror(errno)};
        struct stat about {};
        if (fstat(fd_, &about) != 0 || !S_ISREG(about.st_mode)) {
            release();
            throw Error{ErrorKind::content, "cannot look for probes in " + path + ": it is no regular file"};
        }
        if (elf_version(EV_CURRENT) != EV_NONE) elf_ = elf_begin(fd_, ELF_C_READ_MMAP, nullptr);
        if (elf_ != nullptr && elf_kind(elf_) == ELF_K_ELF) return;
        release();
        throw Error{ErrorKind::content, "cannot look for probes in " + path + ": it is no ELF file"};
    }
    ~ElfFile() { release(); }
    ElfFile(const ElfFile&) = delete;
    ElfFile& operator=(const ElfFile&) = delete;

    Elf* get() const noexcept { return elf_; }

    /// The section with that name, and its header.
    Elf_Scn* section(std::string_view name, GElf_Shdr& header) const {
        std::size_t names = 0;
        if (elf_getshdrstrndx(elf_, &names) != 0) return nullptr;
        for (Elf_Scn* found = elf_nextscn(elf_, nullptr); found != nullptr; found = elf_nextscn(elf_, found)) {
            if (gelf_getshdr(found, &header) == nullptr) continue;
            const char* const its_name = elf_strptr(elf_, names, header.sh_name);
            if (its_name != nullptr && name == its_name) return found;
        }
        return nullptr;
    }

    /// Where in the file what is loaded at that address lies.
    std::optional<std::uint64_t> offset_of(std::uint64_t address) const {
        std::size_t count = 0;
        if (elf_getphdrnum(elf_, &count) != 0) return std::nullopt;
        for (std::size_t i = 0; i < count; ++i) {
            GElf_Phdr segment;
            if (gelf_getphdr(elf_, static_cast<int>(i), &segment) == nullptr || segment.p_type != PT_LOAD) continue;
            if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
                return address - segment.p_vaddr + segment.p_offset;
        }
        return std::nullopt;
    }

  private:
    void release() noexcept {
        if (elf_ != nullptr) elf_end(elf_);
        if (fd_ >= 0) close(fd_);
        elf_ = nullptr;
        fd_ = -1;
    }

    int fd_;
    Elf* elf_ = nullptr;
};

struct Note {
    std::uint64_t base = 0;
    std::uint64_t semaphore = 0;
    std::string_view provider;
    std::string_view name;
};

/// Of a 64-bit file: three addresses, then strings that end with NUL. Nothing: it is cut.
std::optional<Note> parse(std::string_view text) {
    constexpr std::size_t kAddresses = 3 * sizeof(std::uint64_t);
    if (text.size() < kAddresses) return std::nullopt;
    Note note;
    std::memcpy(&note.base, text.data() + sizeof(std::uint64_t), sizeof note.base);
    std::memcpy(&note.semaphore, text.data() + 2 * sizeof(std::uint64_t), sizeof note.semaphore);
    text.remove_prefix(kAddresses);
    for (std::string_view* const field : {&note.provider, &note.name}) {
        const std::size_t end = text.find('\0');
        if (end == std::string_view::npos) return std::nullopt;
        *field = text.substr(0, end);
        text.remove_prefix(end + 1);
    }
    return note;
}

}  // namespace

ProbeFile probes_of_file(const std::string& path) {
    ProbeFile result;
    result.path = path;
    const ElfFile file{path};
    GElf_Shdr base_header;
    const bool has_base = file.section(".stapsdt.base", base_header) != nullptr;
    GElf_Shdr header;
    Elf_Scn* const section = file.section(".note.stapsdt", header);
    Elf_Data* const data = section != nullptr ? elf_getdata(section, nullptr) : nullptr;
    if (data == nullptr || gelf_getclass(file.get()) != ELFCLASS64) return result;
    GElf_Nhdr about;
    std::size_t name_at = 0;
    std::size_t text_at = 0;
    for (std::size_t at = 0; (at = gelf_getnote(data, at, &about, &name_at, &text_at)) != 0;) {
        const char* const bytes = static_cast<const char*>(data->d_buf);
        if (about.n_type != kProbeNote || about.n_namesz != kOwner.size() + 1 || kOwner != bytes + name_at) continue;
        const std::optional<Note> note = parse({bytes + text_at, about.n_descsz});
        if (!note || (note->provider != "tiffany" && note->provider != "tiffany_tick")) continue;
        result.probes.push_back(std::string{note->provider} + ':' + std::string{note->name});
        // the linker may have moved the file's addresses since the note was written (prelink)
        const std::uint64_t moved = has_base ? base_header.sh_addr - note->base : 0;
        if (note->provider == "tiffany" && note->semaphore != 0 && !result.semaphore_offset)
            result.semaphore_offset = file.offset_of(note->semaphore + moved);
    }
    return result;
}

}  // namespace tiffany::paltrace
