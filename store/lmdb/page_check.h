// Whether a data.mdb is one that LMDB may be trusted with: a walk over it without LMDB, which would follow
// every number in it wherever that leads (store/README.md, "Before LMDB"). Private to store/.
//
// From the metas down, every page of every tree that the newest one leads to: that it is within the file, is
// the page and of the kind that it should be, and is reached once; where its nodes lie; that the keys are in
// order and between those of the page above; that all leaves are as deep as is said; the pages, and the
// values, that each tree says it has; that free pages are free. Values are not looked at, save the tables'
// own and the lists of free pages: of a value in pages of its own, the first page's header is read.
//
// Others may commit meanwhile. What a commit takes from a state is used again by the third one after it, at
// the earliest; so what looks damaged counts only if the meta that it was reached from is still there.
//
// Thread-safety: a free function. Memory: a bit a page of the file (PagesMax in page_layout.h at most, of
// more it is kCorrupt) and some of what the disk holds of it. It maps the file: a disk that fails, and
// whoever makes the file shorter meanwhile, are a SIGBUS, for which whoever calls it is prepared
// (examination_process.h). Errors: kCorrupt for damage, with the page, the table, and how it shows; kBusy
// where others committed so fast that nothing can be said; kIo where the file cannot be read or mapped.

#pragma once

#include <cstdint>
#include <functional>

#include "crypto/base/result.h"

namespace certfs::lmdb {

struct PageFacts {
  std::uint64_t commit = 0;
  std::uint64_t pages = 0;  // In use: metas, trees, overflow runs.
  std::uint64_t free = 0;   // Listed as free.
  int attempts = 1;         // More where others replaced the state meanwhile.
};

// Walks over `file`, which is open for reading; its offset stays. Once nothing is left but the leaves of the
// contents of files, two thirds of all pages, `ready` is called: LMDB may read all the rest, and write
// nothing.
Result<PageFacts> CheckPages(int file, const std::function<void()>& ready = {});

// The metas alone: enough for LMDB to open the file, and to begin a transaction.
Result<void> CheckMetas(int file);

}  // namespace certfs::lmdb
