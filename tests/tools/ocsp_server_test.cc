// Goal: a GET carries the request that was put into it, and only loopback addresses are listened on. Method:
// a table of paths; addresses of this machine and of others.

#include "tools/authority/ocsp_server.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace certfs::authority {
namespace {

TEST(RequestOfPath, DecodesBase64) {
  EXPECT_EQ(AsText(Must(RequestOfPath("/Zg=="))), "f");
  EXPECT_EQ(AsText(Must(RequestOfPath("/Zm8="))), "fo");
  EXPECT_EQ(AsText(Must(RequestOfPath("/Zm9v"))), "foo");
  EXPECT_EQ(AsText(Must(RequestOfPath("/Zm9vYg"))), "foob");
  EXPECT_EQ(Must(RequestOfPath("/+/+/")), (Bytes{0xFB, 0xFF, 0xBF}));
}

TEST(RequestOfPath, RefusesAnythingElse) {
  for (const char* path : {"", "/", "Zg==", "/Z", "/Zg==x", "/Zm 9", "/Zm-_", "/Zm9vY"}) {
    EXPECT_FALSE(RequestOfPath(path).has_value()) << path;
  }
}

TEST(OcspServer, ListensOnThisMachineAlone) {
  const auto answer = [](BytesView) { return Bytes(); };
  for (const char* address : {"0.0.0.0", "192.0.2.1", "::", "localhost", "", "128.0.0.1"}) {
    const auto server = OcspServer::Listen(address, 0, answer);
    ASSERT_FALSE(server.has_value()) << address;
    EXPECT_EQ(server.error().code(), ErrorCode::kInvalidArgument);
  }
  const OcspServer first = Must(OcspServer::Listen("127.0.0.1", 0, answer));
  EXPECT_GT(first.port(), 0);
  // A port that another has is not shared with it.
  const auto second = OcspServer::Listen("127.0.0.1", first.port(), answer);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), ErrorCode::kIo);
}

}  // namespace
}  // namespace certfs::authority
