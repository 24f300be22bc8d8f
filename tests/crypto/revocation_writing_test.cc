// Goal: the CRLs and the OCSP answers of the authority say what was revoked, to our reader and to
// libcrypto's, and no changed one passes. Method: lists of several lengths under each kind of key; answers to
// libcrypto's own requests; each byte changed.

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "crypto/judgement.h"
#include "crypto/ocsp.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/words.h"
#include "tests/crypto/authorities.h"
#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;
using std::chrono::days;

RevokedSerial Revoked(const char* serial, int days_ago, RevocationReason reason) {
  return {*ParseSerialNumber(serial), kNow - days(days_ago), reason};
}

Bytes ListOf(const Issuer& issuer, std::uint64_t number, std::vector<RevokedSerial> revoked) {
  return Must(MakeRevocationList(issuer, number, kNow, kNow + days(7), std::move(revoked)));
}

TEST(RevocationWriting, AListIsReadAsItWasMeant) {
  const std::vector<RevokedSerial> revoked{
      Revoked("01", 9, RevocationReason::kKeyCompromise),
      Revoked("7fffffffffffffffffffffffffffffff", 3, RevocationReason::kUnspecified),
      Revoked("ffffffffffffffffffffffffffffffff", 1, RevocationReason::kPrivilegeWithdrawn)};
  std::vector<RevokedSerial> shuffled{revoked[2], revoked[0], revoked[1],
                                      Revoked("01", 2, RevocationReason::kSuperseded)};
  for (const char* const kind : {"ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-3072"}) {
    const auto issuer = RootIssuer(kind);
    const TrustSet trust({issuer->root()}, {});
    for (const auto& entries : {std::vector<RevokedSerial>(), shuffled}) {
      const Bytes der = ListOf(*issuer, 0x8000000000000001, entries);
      const RevocationList list = Must(RevocationList::FromDer(der));
      EXPECT_EQ(list.number(), 0x8000000000000001);
      EXPECT_EQ(list.revoked(), entries.empty() ? entries : revoked);
      EXPECT_EQ(list.this_update(), kNow);
      EXPECT_EQ(list.next_update(), kNow + days(7));
      EXPECT_TRUE(list.SignedBy(issuer->certificate()));
      const auto file = Must(ReadRevocationListFile(der));
      const Verdict verdict =
          JudgeRevocationList(file, nullptr, {RuleSet::kTrust, kNow, &trust, Purpose::kAny, {}});
      EXPECT_TRUE(verdict.findings().empty()) << kind << "\n" << All(verdict);
    }
  }
}

TEST(RevocationWriting, WhatIsIssuedCanBeRevoked) {
  const auto root = RootIssuer("ec-p256");
  const auto issuer = IntermediateIssuer(*root, "ec-p256", BuiltIn("ca"));
  const CertificateSubject subject = Subject("Hostname = a.example", NewKey("ec-p256"));
  const Certificate gone = Must(IssueBy(*issuer, subject, BuiltIn("server")));
  const Certificate good = Must(IssueBy(*issuer, subject, BuiltIn("server")));
  const Bytes der = ListOf(*issuer, 1, {{*SerialNumberOf(gone), kNow, RevocationReason::kSuperseded}});
  const RevocationList list = Must(RevocationList::FromDer(der));
  EXPECT_TRUE(list.Revokes(gone));
  EXPECT_FALSE(list.Revokes(good));
}

TEST(RevocationWriting, AListThatWouldBeOddIsNotSigned) {
  const auto issuer = RootIssuer("ec-p256");
  const auto refusal = [&](std::chrono::sys_seconds next, std::vector<RevokedSerial> revoked) {
    return MakeRevocationList(*issuer, 1, kNow, next, std::move(revoked)).error();
  };
  EXPECT_EQ(refusal(kNow, {}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(kNow + days(1), {Revoked("01", -1, RevocationReason::kUnspecified)}).rule(),
            "crl-odd-entry");
}

TEST(RevocationWriting, NoChangedListPasses) {
  const auto issuer = RootIssuer("ec-p256");
  const Bytes der = ListOf(*issuer, 1, {Revoked("0123", 1, RevocationReason::kKeyCompromise)});
  for (std::size_t bit = 0; bit < der.size() * 8; bit += RoundsStride()) {
    Bytes changed = der;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    const auto list = RevocationList::FromDer(changed);
    EXPECT_FALSE(list.has_value() && list.value().SignedBy(issuer->certificate())) << bit;
  }
}

// A certificate with one bit changed is none of the issuer's.
TEST(RevocationWriting, NoChangedCertificatePasses) {
  const auto issuer = RootIssuer("ec-p256");
  const TrustSet trust({issuer->root()}, {});
  const Certificate issued =
      Must(IssueBy(*issuer, Subject("Hostname = a.example", NewKey("ec-p256")), BuiltIn("server")));
  const BytesView der = issued.der();
  for (std::size_t bit = 0; bit < der.size() * 8; bit += RoundsStride()) {
    Bytes changed(der.begin(), der.end());
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    const auto certificate = Certificate::FromDer(changed);
    if (!certificate.has_value()) continue;
    const ChainResult chain = trust.Verify(certificate.value(), {}, Purpose::kServer, kNow);
    EXPECT_FALSE(chain.reaches_anchor && chain.faults.empty()) << bit;
  }
}

// --- OCSP

template <typename T, auto Free>
using Owner = openssl::Handle<T, Free>;

struct Responding {
  std::shared_ptr<const Issuer> issuer = RootIssuer("ec-p384");
  PrivateKey key = NewKey("ec-p256");
  Certificate responder = Must(IssueBy(*issuer, Subject("Name = OCSP", key), BuiltIn("ocsp")));
  Certificate leaf =
      Must(IssueBy(*issuer, Subject("Hostname = a.example", NewKey("ec-p256")), BuiltIn("server")));

  OcspResponder Make() const { return Must(OcspResponder::Make(issuer->certificate(), responder, key)); }
};

Bytes RequestFor(const Certificate& certificate, const Certificate& issuer, bool nonce = false,
                 const EVP_MD* digest = EVP_sha1()) {
  const Owner<OCSP_REQUEST, OCSP_REQUEST_free> request(OCSP_REQUEST_new());
  OCSP_request_add0_id(request.get(), OCSP_cert_to_id(digest, certificate.handle(), issuer.handle()));
  if (nonce) OCSP_request_add1_nonce(request.get(), nullptr, 16);
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_REQUEST(request.get(), &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

// What libcrypto reads in an answer.
struct Reading {
  int response = -1;  // OCSP_RESPONSE_STATUS_*; -1 for what is no answer.
  bool verified = false;
  int status = -1;  // V_OCSP_CERTSTATUS_*.
  int reason = -1;
  int nonce = 0;  // OCSP_check_nonce.
  std::chrono::sys_seconds produced;
  Bytes said;  // What is signed: ResponseData, DER.
};

Reading Read(BytesView answer, BytesView question, const Responding& responding, const Certificate& about,
             const EVP_MD* digest = EVP_sha1()) {
  Reading reading;
  const unsigned char* at = answer.data();
  const Owner<OCSP_RESPONSE, OCSP_RESPONSE_free> response(
      d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(answer.size())));
  at = question.data();
  const Owner<OCSP_REQUEST, OCSP_REQUEST_free> request(
      d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(question.size())));
  ERR_clear_error();
  if (!response) return reading;
  reading.response = OCSP_response_status(response.get());
  const Owner<OCSP_BASICRESP, OCSP_BASICRESP_free> basic(OCSP_response_get1_basic(response.get()));
  if (!basic) return reading;
  const openssl::StoreHandle store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), responding.issuer->certificate().handle());
  X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store.get()),
                             static_cast<std::time_t>(kNow.time_since_epoch().count()));
  reading.verified = OCSP_basic_verify(basic.get(), nullptr, store.get(), 0) == 1;
  const Owner<OCSP_CERTID, OCSP_CERTID_free> id(
      OCSP_cert_to_id(digest, about.handle(), responding.issuer->certificate().handle()));
  const OCSP_RESPDATA* const data = OCSP_resp_get0_respdata(basic.get());
  unsigned char* encoded = nullptr;
  if (const int size = i2d_OCSP_RESPDATA(data, &encoded); size > 0)
    reading.said.assign(encoded, encoded + size);
  OPENSSL_free(encoded);
  reading.produced = openssl::TimeValue(OCSP_resp_get0_produced_at(basic.get()));
  ASN1_GENERALIZEDTIME* revoked = nullptr;
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* to = nullptr;
  OCSP_resp_find_status(basic.get(), id.get(), &reading.status, &reading.reason, &revoked, &from, &to);
  if (request) reading.nonce = OCSP_check_nonce(request.get(), basic.get());
  ERR_clear_error();
  return reading;
}

OcspResponder::Lookup Says(CertificateStatus status) {
  return [status](BytesView) -> Result<CertificateStatus> { return status; };
}
constexpr auto kValid = std::chrono::hours(1);

TEST(Ocsp, AnswersWhatIsLookedUp) {
  const Responding responding;
  const OcspResponder responder = responding.Make();
  const Certificate& issuer = responding.issuer->certificate();
  for (const EVP_MD* const digest : {EVP_sha1(), EVP_sha256()}) {
    const Bytes question = RequestFor(responding.leaf, issuer, true, digest);
    const struct {
      CertificateStatus status;
      int code;
      int reason;
    } rows[] = {
        {{CertificateState::kGood, {}, {}}, V_OCSP_CERTSTATUS_GOOD, -1},
        {{CertificateState::kUnknown, {}, {}}, V_OCSP_CERTSTATUS_UNKNOWN, -1},
        {{CertificateState::kRevoked, kNow - days(1), RevocationReason::kUnspecified},
         V_OCSP_CERTSTATUS_REVOKED,
         -1},
        {{CertificateState::kRevoked, kNow - days(1), RevocationReason::kSuperseded},
         V_OCSP_CERTSTATUS_REVOKED,
         4},
    };
    for (const auto& row : rows) {
      const Bytes answer = responder.Answer(question, Says(row.status), kNow, kValid);
      const Reading reading = Read(answer, question, responding, responding.leaf, digest);
      EXPECT_EQ(reading.response, OCSP_RESPONSE_STATUS_SUCCESSFUL);
      EXPECT_TRUE(reading.verified);
      EXPECT_EQ(reading.status, row.code);
      EXPECT_EQ(reading.reason, row.reason);
      EXPECT_EQ(reading.nonce, 1);
      EXPECT_EQ(reading.produced, kNow);
      EXPECT_TRUE(QueueIsEmpty());
    }
  }
}

TEST(Ocsp, TheSerialNumberIsThatOfTheCertificate) {
  const Responding responding;
  const SerialNumber expected = *SerialNumberOf(responding.leaf);
  Bytes asked;
  const Bytes question = RequestFor(responding.leaf, responding.issuer->certificate());
  static_cast<void>(responding.Make().Answer(
      question,
      [&](BytesView serial) -> Result<CertificateStatus> {
        asked.assign(serial.begin(), serial.end());
        return CertificateStatus{};
      },
      kNow, kValid));
  EXPECT_EQ(ParseSerialNumber(ToHex(asked)), expected);
}

TEST(Ocsp, KnowsNothingOfOtherIssuers) {
  const Responding responding;
  const auto other = RootIssuer("ec-p256");
  const Certificate leaf =
      Must(IssueBy(*other, Subject("Hostname = a.example", NewKey("ec-p256")), BuiltIn("server")));
  const Bytes question = RequestFor(leaf, other->certificate());
  const Bytes answer =
      responding.Make().Answer(question, Says({CertificateState::kGood, {}, {}}), kNow, kValid);
  Responding about = responding;
  about.issuer = other;
  EXPECT_EQ(Read(answer, question, about, leaf).status, V_OCSP_CERTSTATUS_UNKNOWN);
}

TEST(Ocsp, WhatIsNoQuestionIsToldSo) {
  const Responding responding;
  const OcspResponder responder = responding.Make();
  const Bytes question = RequestFor(responding.leaf, responding.issuer->certificate(), true);
  const auto status = [&](BytesView asked, const OcspResponder::Lookup& lookup) {
    return Read(responder.Answer(asked, lookup, kNow, kValid), asked, responding, responding.leaf).response;
  };
  const auto good = Says({CertificateState::kGood, {}, {}});
  EXPECT_EQ(status({}, good), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
  EXPECT_EQ(status(AsBytes("garbage"), good), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
  Bytes longer = question;
  longer.push_back(0);
  EXPECT_EQ(status(longer, good), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
  EXPECT_EQ(status(Bytes(70000, 0x30), good), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
  const auto failing = [](BytesView) -> Result<CertificateStatus> { return Error(ErrorCode::kIo, "no"); };
  EXPECT_EQ(status(question, failing), OCSP_RESPONSE_STATUS_INTERNALERROR);
  // Whatever bytes come, something is answered.
  for (std::size_t at = 0; at < question.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      Bytes changed = question;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
      EXPECT_FALSE(responder.Answer(changed, good, kNow, kValid).empty()) << at;
      EXPECT_TRUE(QueueIsEmpty());
    }
  }
}

TEST(Ocsp, NoChangedAnswerPasses) {
  const Responding responding;
  const Bytes question = RequestFor(responding.leaf, responding.issuer->certificate());
  const Bytes answer =
      responding.Make().Answer(question, Says({CertificateState::kGood, {}, {}}), kNow, kValid);
  const Bytes said = Read(answer, question, responding, responding.leaf).said;
  ASSERT_FALSE(said.empty());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < answer.size(); ++at) {
    Bytes changed = answer;
    changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1);
    const Reading reading = Read(changed, question, responding, responding.leaf);
    refused += reading.verified ? 0 : 1;
    // What passes says what was signed, and nothing else: the change is in its wrapping.
    if (reading.verified) {
      EXPECT_EQ(reading.said, said) << at;
    }
  }
  EXPECT_GT(refused, said.size());
}

TEST(Ocsp, OnlyADelegateAnswers) {
  const Responding responding;
  const Certificate& issuer = responding.issuer->certificate();
  const auto refusal = [](const Certificate& by, const Certificate& certificate, const PrivateKey& key) {
    const auto made = OcspResponder::Make(by, certificate, key);
    return std::string(made.has_value() ? "none" : made.error().rule());
  };
  EXPECT_EQ(refusal(issuer, responding.responder, responding.key), "none");
  EXPECT_EQ(refusal(issuer, responding.responder, NewKey("ec-p256")), "key-mismatch");
  const PrivateKey key = NewKey("ec-p256");
  const Certificate server =
      Must(IssueBy(*responding.issuer, Subject("Hostname = a.example", key), BuiltIn("server")));
  EXPECT_EQ(refusal(issuer, server, key), "wrong-extended-key-usage");
  EXPECT_EQ(refusal(RootIssuer("ec-p256")->certificate(), responding.responder, responding.key),
            "bad-signature");
}

}  // namespace
}  // namespace certfs
