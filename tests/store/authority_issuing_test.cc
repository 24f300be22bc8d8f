// Goal: what is issued is in the ledger, and found there by whatever one knows of it.
// Method: orders of every kind over both tables; the ledger is read back, listed and looked through.

#include <set>

#include "tests/store/authority_door.h"

namespace certfs {
namespace {

class AuthorityIssuingTest : public AuthorityDoor {
 protected:
  AuthorityIssuingTest() { Create(); }
  LedgerPage List(const LedgerQuery& query) {
    return Must(authority_.List(*Must(keystore_->Snapshot()), query));
  }
  Result<SerialNumber> Identify(std::string_view text) {
    return authority_.Identify(*Must(keystore_->Snapshot()), text);
  }
};

TEST_P(AuthorityIssuingTest, AKeyIsMadeForAConfiguration) {
  const Issued issued = Must(authority_.Issue(OrderFor("a.test", "a"), kAlice));
  const Certificate certificate = CertificateIn(issued.record);
  EXPECT_TRUE(Must(PrivateKey::FromDer(issued.record.key.Reveal())).Matches(certificate));
  const auto line = Line(issued.record.serial);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->certificate, issued.record.certificate);
  EXPECT_TRUE(EqualSecrets(line->key.Reveal(), issued.record.key.Reveal()));
  EXPECT_EQ(line->profile, "server");
  EXPECT_EQ(line->common_name, "a.test");
  EXPECT_EQ(line->names, std::vector<std::string>{"a.test"});
  EXPECT_EQ(line->uid, kAlice.uid);
  EXPECT_EQ(line->issued, clock_.now());
  EXPECT_EQ(line->authority, 1U);
  EXPECT_EQ(line->entry, 0U);
  EXPECT_EQ(Record().Issuing()->issued, 1U);
  EXPECT_EQ(Must(ReadCertificateFile(issued.chain)).certificates.size(), 1U);
}

// A key that nobody picks up is not kept.
TEST_P(AuthorityIssuingTest, AKeyIsKeptOnlyToBePickedUp) {
  const Issued issued = Must(authority_.Issue(OrderFor("a.test"), kAlice));
  EXPECT_FALSE(issued.record.key.empty());
  EXPECT_TRUE(Line(issued.record.serial)->key.empty());
}

TEST_P(AuthorityIssuingTest, ARequestKeepsItsKey) {
  const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP384));
  const Issued issued = Must(authority_.Issue(OrderBy(key, "a.test"), kAlice));
  EXPECT_TRUE(key.Matches(CertificateIn(issued.record)));
  EXPECT_TRUE(issued.record.key.empty());
  // The names of the configuration, the key of the request.
  IssueOrder both = OrderBy(key, "a.test");
  both.config = ConfigOf("Name = b.test\nHostname = b.test\n");
  const Issued named = Must(authority_.Issue(both, kAlice));
  EXPECT_TRUE(key.Matches(CertificateIn(named.record)));
  EXPECT_EQ(named.record.names, std::vector<std::string>{"b.test"});
}

TEST_P(AuthorityIssuingTest, LessThanTheProfileMayBeAskedFor) {
  IssueOrder order = OrderFor("a.test");
  order.lifetime = std::chrono::hours(24);
  EXPECT_EQ(DaysLeft(Must(authority_.Issue(order, kRoot)).record.not_after, clock_.now()),
            std::chrono::days(1));
  order.lifetime = std::chrono::hours(24 * 5000);
  EXPECT_EQ(DaysLeft(Must(authority_.Issue(order, kRoot)).record.not_after, clock_.now()),
            std::chrono::days(398));
}

TEST_P(AuthorityIssuingTest, RefusalsLeaveNothing) {
  const auto refuse = [&](ErrorCode code, const IssueOrder& order, std::string_view rule = {}) {
    SCOPED_TRACE(rule);
    ExpectRefused(
        code, [&] { return authority_.Issue(order, kRoot); }, rule);
  };
  refuse(ErrorCode::kInvalidArgument, IssueOrder{});
  IssueOrder order = OrderFor("a.test");
  order.profile = "unheard-of";
  refuse(ErrorCode::kNotFound, order, "no-profile");
  refuse(ErrorCode::kRejected, OrderFor("*.test"), "profile-wildcard");
  refuse(ErrorCode::kMalformed, OrderFor("a.test", "../../etc/passwd"));
  refuse(ErrorCode::kNameTooLong, OrderFor("a.test", std::string(201, 'x')));
  EXPECT_TRUE(Lines().empty());
  EXPECT_EQ(Record().Issuing()->issued, 0U);
}

TEST_P(AuthorityIssuingTest, ANameIsPickedUpByTheNewest) {
  const Issued first = Must(authority_.Issue(OrderFor("a.test", "web"), kRoot));
  const Issued second = Must(authority_.Issue(OrderFor("b.test", "WEB"), kRoot));
  EXPECT_EQ(Line(first.record.serial)->pickup, "");
  EXPECT_TRUE(Line(first.record.serial)->key.empty());
  EXPECT_EQ(Line(second.record.serial)->pickup, "WEB");
  Must(authority_.RemovePickup("web"));
  EXPECT_TRUE(Line(second.record.serial)->key.empty());
  EXPECT_EQ(CodeOf(authority_.RemovePickup("web")), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.RemovePickup("")), ErrorCode::kNotFound);
}

TEST_P(AuthorityIssuingTest, ABatchIsAllOrNone) {
  std::vector<IssueOrder> orders;
  for (int i = 0; i < 40; ++i)
    orders.push_back(OrderFor("h" + std::to_string(i) + ".test", "h" + std::to_string(i)));
  const auto issued = Must(authority_.IssueAll(orders, kRoot));
  ASSERT_EQ(issued.size(), 40U);
  std::set<SerialNumber> serials;
  for (std::size_t i = 0; i < issued.size(); ++i) {
    EXPECT_EQ(issued[i].record.common_name, "h" + std::to_string(i) + ".test") << "in the order asked";
    serials.insert(issued[i].record.serial);
  }
  EXPECT_EQ(serials.size(), 40U);
  EXPECT_EQ(Record().Issuing()->issued, 40U);
  orders[7] = OrderFor("*.test");
  const auto refused = authority_.IssueAll(orders, kRoot);
  ASSERT_EQ(CodeOf(refused), ErrorCode::kRejected);
  EXPECT_EQ(refused.error().message().find("request 8: "), 0U) << refused.error().message();
  EXPECT_EQ(Lines().size(), 40U);
  EXPECT_TRUE(Must(authority_.IssueAll({}, kRoot)).empty());
}

TEST_P(AuthorityIssuingTest, ProfilesAreWrittenAndTakenBack) {
  const auto snapshot = Must(keystore_->Snapshot());
  const std::size_t built_in = Must(authority_.Profiles(*snapshot)).size();
  EXPECT_EQ(built_in, 5U);
  EXPECT_EQ(CodeOf(authority_.SetProfile("short", AsBytes("days = \"many\""))), ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(authority_.SetProfile("../x", AsBytes("days = 1"))), ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(authority_.SetProfile("short", {})), ErrorCode::kNotFound);
  const std::string text =
      "keys = [\"ec-p256\"]\ndays = 7\nkey_usage = [\"digitalSignature\"]\n"
      "extended_key_usage = [\"serverAuth\"]\n[names]\nhosts = [\".test\"]\n";
  Must(authority_.SetProfile("short", AsBytes(text)));
  EXPECT_EQ(Must(authority_.Profiles(*Must(keystore_->Snapshot()))).size(), built_in + 1);
  EXPECT_EQ(Must(authority_.FindProfile(*Must(keystore_->Snapshot()), "short")).lifetime,
            std::chrono::days(7));
  IssueOrder order = OrderFor("a.test");
  order.profile = "short";
  EXPECT_EQ(DaysLeft(Must(authority_.Issue(order, kRoot)).record.not_after, clock_.now()),
            std::chrono::days(7));
  // One written over a built-in one holds until it is taken back.
  Must(authority_.SetProfile("server", AsBytes(text)));
  EXPECT_EQ(DaysLeft(Must(authority_.Issue(OrderFor("a.test"), kRoot)).record.not_after, clock_.now()),
            std::chrono::days(7));
  Must(authority_.SetProfile("server", {}));
  EXPECT_EQ(DaysLeft(Must(authority_.Issue(OrderFor("a.test"), kRoot)).record.not_after, clock_.now()),
            std::chrono::days(398));
  EXPECT_EQ(CodeOf(authority_.FindProfile(*Must(keystore_->Snapshot()), "none")), ErrorCode::kNotFound);
}

TEST_P(AuthorityIssuingTest, RequestsHaveAGroup) {
  Must(authority_.SetRequestsAttributes({02770, 5, 6, {}, {}}));
  EXPECT_EQ(Record().requests_uid, 5U);
  EXPECT_EQ(Record().requests_gid, 6U);
  EXPECT_EQ(Record().requests_mode, 02770U);
}

TEST_P(AuthorityIssuingTest, TheLedgerIsLookedThrough) {
  for (int i = 0; i < 10; ++i) {
    IssueOrder order = OrderFor("h" + std::to_string(i) + ".test", "p" + std::to_string(i));
    order.lifetime = std::chrono::hours(24 * (i + 1));
    Must(authority_.Issue(order, kRoot));
  }
  LedgerQuery third;
  third.name = "h3.test";
  const SerialNumber revoked = List(third).lines.front().serial;
  Must(authority_.Revoke(revoked, RevocationReason::kUnspecified, kRoot));
  EXPECT_EQ(List({}).lines.size(), 10U);
  EXPECT_FALSE(List({}).next);
  for (const IssuedCertificate& line : List({}).lines) EXPECT_TRUE(line.key.empty()) << "no keys are shown";

  // By pages, each line once.
  std::set<SerialNumber> seen;
  LedgerQuery query;
  query.count_max = 3;
  for (int pages = 1;; ++pages) {
    const LedgerPage page = List(query);
    EXPECT_LE(page.lines.size(), 3U);
    for (const IssuedCertificate& line : page.lines) EXPECT_TRUE(seen.insert(line.serial).second);
    if (!page.next) break;
    query.after = *page.next;
    ASSERT_LT(pages, 6);
  }
  EXPECT_EQ(seen.size(), 10U);

  const auto count = [&](LedgerState state) {
    LedgerQuery of;
    of.state = state;
    return List(of).lines.size();
  };
  EXPECT_EQ(count(LedgerState::kActive), 9U);
  EXPECT_EQ(count(LedgerState::kRevoked), 1U);
  EXPECT_EQ(count(LedgerState::kExpired), 0U);
  LedgerQuery named;
  named.name = "H5.TEST";
  ASSERT_EQ(List(named).lines.size(), 1U);
  EXPECT_EQ(List(named).lines.front().common_name, "h5.test");
  named.name = "nobody.test";
  EXPECT_TRUE(List(named).lines.empty());

  LedgerQuery soon;
  soon.expiring = std::chrono::days(3);
  const LedgerPage expiring = List(soon);
  ASSERT_EQ(expiring.lines.size(), 3U);
  EXPECT_EQ(expiring.lines.front().common_name, "h0.test") << "the first to expire first";
  clock_.Tick(std::chrono::hours(36));
  EXPECT_EQ(count(LedgerState::kExpired), 1U);
  EXPECT_EQ(List(soon).lines.size(), 3U) << "what has expired expires no more";
  soon.expiring = std::chrono::days(-1);
  EXPECT_TRUE(List(soon).lines.empty());
}

TEST_P(AuthorityIssuingTest, ACertificateIsNamedInThreeWays) {
  const IssuedCertificate line = Place("MACHINE_SSL_CERT", "web", "web.test");
  EXPECT_EQ(Must(Identify(ToText(line.serial))), line.serial);
  EXPECT_EQ(Must(Identify("MACHINE_SSL_CERT/web")), line.serial);
  EXPECT_EQ(Must(Identify("machine_ssl_cert/WEB")), line.serial);
  const auto entry = FindIn("MACHINE_SSL_CERT", "web");
  EXPECT_EQ(Must(Identify(Text(entry->number, Member::kCertificate))), line.serial);
  for (const char* unknown : {"00112233445566778899aabbccddeeff", "nonsense", "", "NO/web", "vpxd/none"})
    EXPECT_EQ(CodeOf(Identify(unknown)), ErrorCode::kNotFound) << unknown;
  // Of others, of nobody, of nothing.
  const auto stranger = VectorOf("leaf.pem");
  EXPECT_EQ(CodeOf(Identify(AsText(stranger))), ErrorCode::kNotFound);
  Make("vpxd", "empty");
  EXPECT_EQ(CodeOf(Identify("vpxd/empty")), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Identify("-----BEGIN CERTIFICATE-----\nx")), ErrorCode::kMalformed);
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityIssuingTest, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
