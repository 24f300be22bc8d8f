// The entries that certificate-manager looks after: the machine SSL certificate and the solution users.
//
// Thread-safety: constants.

#pragma once

#include <array>
#include <string_view>

namespace certfs {

struct Target {
  std::string_view store;
  std::string_view alias;
  std::string_view profile;  // Under which the authority certifies it.
  std::string_view label;    // As people call it.
};

inline constexpr std::array kTargets{
    Target{"MACHINE_SSL_CERT", "__MACHINE_CERT", "server", "Machine SSL"},
    Target{"machine", "machine", "solution-user", "solution user machine"},
    Target{"vsphere-webclient", "vsphere-webclient", "solution-user", "solution user vsphere-webclient"},
    Target{"vpxd", "vpxd", "solution-user", "solution user vpxd"},
    Target{"vpxd-extension", "vpxd-extension", "solution-user", "solution user vpxd-extension"},
    Target{"hvc", "hvc", "solution-user", "solution user hvc"},
    Target{"wcp", "wcp", "solution-user", "solution user wcp"},
};
inline constexpr const Target& kMachineSsl = kTargets.front();

// What stands for the root among the names that files are given for.
inline constexpr std::string_view kRootName = "root";

}  // namespace certfs
