// The few things the commands ask of the operating system: descriptors, whole files, a protected process.
//
// Thread-safety: main thread only. Errors: the path and the system's reason; the code that errno stands for
// where a tool may have to tell it apart (kNotFound, kAlreadyExists, kNotEmpty, kNotPermitted, and the
// verdicts of a mount), else kIo.

#pragma once

#include <cstddef>
#include <filesystem>

#include "crypto/base/bytes.h"
#include "crypto/base/descriptor.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

// Returns what went wrong with `path`, `error` being an errno: "certs/web.pem: No such file or directory".
Error SystemError(const std::filesystem::path& path, int error);

// Returns the whole of `path`, or of standard input for "-". kTooLarge over `bytes_max`.
Result<Bytes> ReadWholeFile(const std::filesystem::path& path, std::size_t bytes_max);

// Reads `file`, which is open on `path`; at most `bytes_max` + 1 bytes, so that the caller sees what is too
// long.
Result<SecretBytes> ReadSecret(int file, const std::filesystem::path& path, std::size_t bytes_max);

// Writes all of `bytes`.
Result<void> WriteAll(int file, BytesView bytes, const std::filesystem::path& path);

// Returns `path` absolute and tidy, without a trailing slash; symbolic links are kept.
std::filesystem::path TidyPath(const std::filesystem::path& path);

// Keeps the secrets that this process is about to handle in locked memory and out of core dumps, and what it
// writes to its user. Starts the process that examines keystores (store/examiner.h), unless it runs. Call
// once, before the first secret and the first thread, and after any fork: locks do not survive one. Returns
// whether memory could be locked.
bool ProtectProcess();

// The same, but leaves the umask alone: for whoever makes certificates that others are to read, and says of
// each secret itself who may.
bool ProtectSecrets();

// Keeps this process out of core dumps, and from other processes of its user.
void HideProcess();

}  // namespace certfs
