#pragma once
/// A few blocks of memory that a process shares with its child: the child fills them by turns, the parent empties them
/// in that order. Which is full the one tells the other by other means.

#include <array>
#include <cstddef>
#include <string_view>

namespace tiffany::ctf {

/// The child may be anybody's by now: it can write nothing but the blocks, and nothing that it does there or with its
/// descriptor stops the parent or ends it.
class SharedBlocks {
  public:
    static constexpr std::size_t kBytes = std::size_t{128} << 10;  ///< of a block

    /// To be made before the child is. Errors: Error (system).
    SharedBlocks();
    ~SharedBlocks();
    SharedBlocks(const SharedBlocks&) = delete;
    SharedBlocks& operator=(const SharedBlocks&) = delete;

    /// What the child waits at, and has to keep: it reads a byte there for each block that is empty.
    int child_waits_at() const { return empty_[0]; }
    /// The child: copies what has room into its block, and returns how much that was; waits until there is an empty
    /// one. Errors: Error (system) if the parent is gone.
    std::size_t fill(std::string_view bytes);
    /// The child: how much its block holds.
    std::size_t filled() const { return filled_; }
    /// The child: its block goes to the parent, who is to be told.
    void hand_over();
    /// The parent: the next full block, of which it was told that it holds so many bytes. The child may be anybody's by
    /// now, and change them while they are read. `empty` gives it back.
    std::string_view full(std::size_t bytes) const;
    void empty();

  private:
    static constexpr std::size_t kBlocks = 4;
    struct Memory;

    Memory* memory_;
    std::array<int, 2> empty_{-1,
                              -1};  // a pipe; the parent has both ends, so that its writing never meets a closed one
    std::size_t next_ = 0;          // each process has its own
    std::size_t filled_ = 0;        // the child's: of its block
    bool has_block_ = false;        // likewise
};

}  // namespace tiffany::ctf
