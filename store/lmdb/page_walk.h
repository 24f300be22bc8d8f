// The walk over one state of a data.mdb that store/lmdb/page_check.h speaks of. Private to store/lmdb.
//
// Thread-safety: free functions. Ownership: none; what they borrow has to stay for as long as they run.
// Memory: a bit a page of the file. Errors: kCorrupt for damage, with the page, the table, and how it shows.

#pragma once

#include <functional>
#include <string>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/lmdb/page_check.h"
#include "store/lmdb/page_layout.h"

namespace certfs::lmdb {

// Walks over the state that `meta` leads to, in `file`, all of it. `ready` as in CheckPages.
Result<PageFacts> WalkPages(BytesView file, const Meta& meta, const std::function<void()>& ready);

// What the errors of damage say.
Error Damaged(const std::string& how);
Error DamagedPage(PageNumber page, const char* tree, const std::string& how);

}  // namespace certfs::lmdb
