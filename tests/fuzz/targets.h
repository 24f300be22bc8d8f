// What is fuzzed: every reader of bytes that come from outside, one function each.
//
// A target reads any bytes at all. Besides that nothing crashes, hangs or runs out of memory it holds the
// reader to what its header promises: PROPERTY ends the process where that is not so, which libFuzzer and a
// test see alike.
//
// Thread-safety: one thread. What a target sets up once lives until the process ends.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

// What must hold, whatever the bytes are.
#define PROPERTY(condition) \
  static_cast<void>((condition) || (::certfs::fuzz::Broken(#condition, __FILE__, __LINE__), true))

namespace certfs::fuzz {

[[noreturn]] inline void Broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
  std::abort();
}

// What a target takes for granted of its own material.
template <typename T>
T Have(Result<T> result) {
  if (result.has_value()) return std::move(result).value();
  std::fprintf(stderr, "the target itself failed: %s\n", result.error().message().c_str());
  std::abort();
}
inline void Have(Result<void> result) {
  if (!result.has_value()) Broken(result.error().message().c_str(), "the target itself", 0);
}

struct Target {
  const char* name;  // Of its folder in corpus/, and its program's behind "fuzz_".
  int (*run)(const std::uint8_t* data, std::size_t size);
};

// All of them, in the order of their names.
std::span<const Target> Targets();

// Runs `target`, and holds it to what all of them promise: OpenSSL's queue of errors is empty afterwards.
int RunTarget(int (*target)(const std::uint8_t*, std::size_t), const std::uint8_t* data, std::size_t size);

// A target says that it has read something to its end, and how often it has: the corpus of each is to get so
// far, or it would show nothing.
void NoteRead();
std::uint64_t HowOftenRead();

// A file of tests/, for what targets need; ends the process where it is missing.
Bytes TestFile(const std::string& path);

int FuzzAccessControlList(const std::uint8_t* data, std::size_t size);
int FuzzAudit(const std::uint8_t* data, std::size_t size);
int FuzzBackup(const std::uint8_t* data, std::size_t size);
int FuzzBackupText(const std::uint8_t* data, std::size_t size);
int FuzzBundle(const std::uint8_t* data, std::size_t size);
int FuzzCertificate(const std::uint8_t* data, std::size_t size);
int FuzzControl(const std::uint8_t* data, std::size_t size);
int FuzzCrl(const std::uint8_t* data, std::size_t size);
int FuzzEnvelope(const std::uint8_t* data, std::size_t size);
int FuzzHashTree(const std::uint8_t* data, std::size_t size);
int FuzzHeader(const std::uint8_t* data, std::size_t size);
int FuzzHighWater(const std::uint8_t* data, std::size_t size);
int FuzzMounterLine(const std::uint8_t* data, std::size_t size);
int FuzzName(const std::uint8_t* data, std::size_t size);
int FuzzOcsp(const std::uint8_t* data, std::size_t size);
int FuzzPackage(const std::uint8_t* data, std::size_t size);
int FuzzPages(const std::uint8_t* data, std::size_t size);
int FuzzPem(const std::uint8_t* data, std::size_t size);
int FuzzPkcs12(const std::uint8_t* data, std::size_t size);
int FuzzPrivateKey(const std::uint8_t* data, std::size_t size);
int FuzzProfile(const std::uint8_t* data, std::size_t size);
int FuzzRecord(const std::uint8_t* data, std::size_t size);
int FuzzRequest(const std::uint8_t* data, std::size_t size);
int FuzzRequestConfig(const std::uint8_t* data, std::size_t size);
int FuzzSalvage(const std::uint8_t* data, std::size_t size);
int FuzzSettings(const std::uint8_t* data, std::size_t size);
int FuzzSignedData(const std::uint8_t* data, std::size_t size);
int FuzzVolume(const std::uint8_t* data, std::size_t size);

}  // namespace certfs::fuzz
