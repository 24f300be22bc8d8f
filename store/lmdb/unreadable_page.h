// What becomes of a page of data.mdb that the disk cannot read: SIGBUS would end the process, and with it all
// that is served; instead the page is a page of zeros from then on, which no node, record or seal is.
//
// Thread-safety: once a process, from any thread.

#pragma once

namespace certfs::lmdb {

// Takes SIGBUS over for as long as the process lives. A fault anywhere but in a mapping of a file data.mdb
// does what it would have done before.
void SurviveUnreadablePages() noexcept;

}  // namespace certfs::lmdb
