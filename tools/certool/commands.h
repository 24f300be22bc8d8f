// What certool does, by command. Each prints what it has to say on stdout, or with --json puts it into the
// object that Run prints; so does Run with its failure.
//
// Thread-safety: main thread only. Errors: those of the authority and of files; CodeOf numbers them.

#pragma once

#include "tools/certool/options.h"

namespace certfs::certool {

// Of the machine that it runs on (local_commands.cc): no mount is needed.
Result<void> GenerateKey(const Options& options);
Result<void> GenerateRequest(const Options& options);
Result<void> GenerateSelfSigned(const Options& options);
Result<void> GenerateRequestFromCertificate(const Options& options);
Result<void> ViewCertificate(const Options& options);
Result<void> ViewCrl(const Options& options);
Result<void> ViewError(const Options& options);

// Of the authority itself (root_commands.cc).
Result<void> CreateRoot(const Options& options);
Result<void> InstallRoot(const Options& options);
Result<void> GetRoot(const Options& options);
Result<void> GetCrl(const Options& options);
Result<void> GenerateCrl(const Options& options);
Result<void> PublishRoots(const Options& options);
Result<void> WaitForAuthority(const Options& options);
Result<void> EnableOption(const Options& options);
Result<void> DisableOption(const Options& options);
Result<void> ShowOptions(const Options& options);
Result<void> SayUnsupported(const Options& options);

// Of what it issues (issuing_commands.cc).
Result<void> GenerateCertificate(const Options& options);
Result<void> GenerateSolutionUser(const Options& options);
Result<void> RevokeCertificate(const Options& options);
Result<void> ShowStatus(const Options& options);
Result<void> EnumerateCertificates(const Options& options);

// What several of them read (local_commands.cc).
Result<PrivateKey> ReadKey(const std::string& path);
Result<Certificate> ReadOneCertificate(const std::string& path);

}  // namespace certfs::certool
