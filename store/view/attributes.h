// Owner, mode, ACL and times of views: those of what they show, so that whoever may not read that may not
// read its views either. Private to store/.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include "store/view/material.h"

namespace certfs::view {

// When any of its files was last modified.
Time LastModified(const Entry& entry);

// A view of one file has what the file has.
Attributes OfFile(Attributes attributes);

// A view that tells what a directory's listing tells may be read by whoever may list it.
Attributes OfListing(const Attributes& directory);

// Whether whoever may enter the entry may enter its next/ as well, and read the signing request there if
// there is one.
bool IsPendingShown(const EntryMaterial& material);

// What waits in next/ is for those who may enter it. Where that is not everybody who may enter the entry, it
// is for its owner alone. Precondition: there is a pending request.
Attributes OfPending(const EntryMaterial& material);

}  // namespace certfs::view
