// Whether this program is made with a sanitizer, which takes terabytes of address space and has threads and
// hooks of its own. GCC says so by macros, clang by features.

#pragma once

#if defined(__has_feature)
#define CERTFS_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CERTFS_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || CERTFS_HAS_FEATURE(address_sanitizer)
#define CERTFS_ADDRESS_SANITIZED 1
#else
#define CERTFS_ADDRESS_SANITIZED 0
#endif

#if defined(__SANITIZE_THREAD__) || CERTFS_HAS_FEATURE(thread_sanitizer)
#define CERTFS_THREAD_SANITIZED 1
#else
#define CERTFS_THREAD_SANITIZED 0
#endif

namespace certfs {

inline constexpr bool kSanitized = CERTFS_ADDRESS_SANITIZED != 0 || CERTFS_THREAD_SANITIZED != 0;

}  // namespace certfs
