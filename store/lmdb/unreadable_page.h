// What becomes of a page of data.mdb that the disk cannot read: SIGBUS would end the process, and with it all
// that is served; instead the page is a page of zeros in that mapping, which no node, record or seal is. It
// stays so whatever becomes of the disk, also when a commit puts something else there: whoever has the file
// mapped maps it anew.
//
// Thread-safety: any thread.

#pragma once

#include <cstdint>

namespace certfs::lmdb {

// Takes SIGBUS over for as long as the process lives. A fault anywhere but in a mapping of a file data.mdb
// does what it would have done before.
void SurviveUnreadablePages() noexcept;

// How many pages of this process's mappings were replaced so far.
std::uint64_t ReplacedPages() noexcept;

}  // namespace certfs::lmdb
