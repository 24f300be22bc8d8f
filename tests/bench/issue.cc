// How fast certificates are issued: a single one, durable when the call returns, against LMDB's own commit
// and OpenSSL's making of a key and a signature, all by turns; many at once; and beside the programs that a
// user would take instead. P-256 under P-256.
//
// Usage: bench_issue WORK [ROUNDS [BATCH]]
//        WORK is an empty directory on the disk that is to be measured.

#include <openssl/evp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "store/certificate_authority.h"
#include "tests/bench/lmdb_record.h"
#include "tests/bench/samples.h"

extern char** environ;

namespace certfs::bench {

namespace {

constexpr double kOverheadMax = 200;        // Microseconds above the floor.
constexpr double kBatchRateMin = 5000;      // Certificates a second, on two cores.
constexpr std::size_t kRecordBytes = 4096;  // A line of the ledger, and the nodes above it.
constexpr int kOthersRounds = 20;

template <typename T>
T Must(Result<T> result) {
  if (!result.has_value()) Die("certfs", result.error().message());
  return std::move(result).value();
}
void Must(Result<void> result) {
  if (!result.has_value()) Die("certfs", result.error().message());
}

EVP_PKEY* MakeKey() {
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  if (key == nullptr) Die("OpenSSL", "makes no key");
  return key;
}
void Sign(EVP_PKEY* key, const Bytes& message) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  std::array<unsigned char, 128> signature{};
  std::size_t size = signature.size();
  if (EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context, signature.data(), &size, message.data(), message.size()) != 1)
    Die("OpenSSL", "does not sign");
  EVP_MD_CTX_free(context);
}

IssueOrder OrderFor(std::size_t number) {
  IssueOrder order;
  const std::string host = "h" + std::to_string(number) + ".bench.test";
  order.config = Must(RequestConfig::Parse(AsBytes("Name = " + host + "\nHostname = " + host + "\n")));
  return order;
}

double ProcessorSeconds() {
  struct rusage used {};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void MeasureSingle(CertificateAuthority& authority, const std::string& work, std::size_t rounds) {
  std::filesystem::create_directories(work + "/lmdb");
  LmdbRecord record((work + "/lmdb").c_str(), kRecordBytes);
  EVP_PKEY* const signing = MakeKey();
  const Bytes message(600, 7);
  Samples commits;
  Samples keys;
  Samples signatures;
  Samples issues;
  for (std::size_t i = 0; i < rounds; ++i) {
    commits.Time([&] { record.Commit(static_cast<char>(i)); });
    keys.Time([&] { EVP_PKEY_free(MakeKey()); });
    signatures.Time([&] { Sign(signing, message); });
    const IssueOrder order = OrderFor(i);
    issues.Time([&] { Must(authority.Issue(order, {})); });
  }
  EVP_PKEY_free(signing);
  const double floor = commits.p50() + keys.p50() + signatures.p50();
  const double extra = issues.p50() - floor;
  std::printf(
      "single issue, durable, p50: %.0f us; LMDB commit %.0f + key %.0f + signature %.0f = %.0f us; "
      "%+.0f us (%.2f x), bound +%.0f us: %s\n",
      issues.p50(), commits.p50(), keys.p50(), signatures.p50(), floor, extra, issues.p50() / floor,
      kOverheadMax, extra <= kOverheadMax ? "yes" : "NO");
}

void MeasureBatch(CertificateAuthority& authority, std::size_t size) {
  std::vector<IssueOrder> orders;
  for (std::size_t i = 0; i < size; ++i) orders.push_back(OrderFor(i));
  const double processor_before = ProcessorSeconds();
  Samples batch;
  batch.Time([&] { Must(authority.IssueAll(orders, {})); });
  const double rate = static_cast<double>(size) * 1e6 / batch.p50();
  const double processor = (ProcessorSeconds() - processor_before) * 1e6 / static_cast<double>(size);
  std::printf(
      "batch of %zu with keys: %.0f a second, %.0f us of processors each (%.0f a second on two idle ones), "
      "bound %.0f: %s\n",
      size, rate, processor, 2e6 / processor, kBatchRateMin, rate >= kBatchRateMin ? "yes" : "NO");
}

// --- Beside others

bool Run(const std::string& command) {
  std::string shell = "exec 2>/dev/null >/dev/null; " + command;
  std::array<char*, 4> words{const_cast<char*>("sh"), const_cast<char*>("-c"), shell.data(), nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, "sh", nullptr, nullptr, words.data(), environ) != 0) return false;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void MeasureProgram(const std::string& name, const std::string& command) {
  Samples samples;
  for (int i = 0; i < kOthersRounds; ++i) {
    bool ran = false;
    samples.Time([&] { ran = Run(command); });
    if (!ran) {
      std::printf("%s: not installed, or fails\n", name.c_str());
      return;
    }
  }
  std::printf("%s, p50, with the start of the program: %.0f us\n", name.c_str(), samples.p50());
}

void MeasureOthers(const std::string& work) {
  std::ofstream(work + "/ca.json") << R"({"CN":"bench","key":{"algo":"ecdsa","size":256}})";
  std::ofstream(work + "/leaf.json")
      << R"({"CN":"h.bench.test","hosts":["h.bench.test"],"key":{"algo":"ecdsa","size":256}})";
  const std::string in = "cd '" + work + "' && ";
  Run(in + "cfssl gencert -initca ca.json > ca.out && cfssljson -bare ca < ca.out");
  // Without cfssljson the certificates stay in JSON.
  Run(in +
      "openssl ecparam -name prime256v1 -genkey -noout -out ca-key.pem && "
      "openssl req -new -x509 -key ca-key.pem -subj /CN=bench -days 1000 -out ca.pem");
  Run(in + "printf 'subjectAltName=DNS:h.bench.test' > extensions");
  MeasureProgram("cfssl gencert", in + "cfssl gencert -ca ca.pem -ca-key ca-key.pem leaf.json");
  MeasureProgram(
      "openssl req + x509 -req",
      in + "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=h -keyout leaf.key "
           "-out leaf.csr && openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial "
           "-extfile extensions -days 398 -out leaf.pem");
  Run(in +
      "rm -f ca.json leaf.json ca.out ca.pem ca-key.pem ca.csr ca.srl leaf.key leaf.csr leaf.pem extensions");
}

void Measure(const std::string& work, std::size_t rounds, std::size_t batch) {
  const UnlockSecret secret{SlotType::kKeyFile, SecretBytes(32)};
  const std::string keystore_path = work + "/keystore";
  Must(Keystore::Create(keystore_path, secret, {}, std::chrono::system_clock::now));
  const auto keystore = Must(Keystore::Open(keystore_path, secret, std::chrono::system_clock::now));
  CertificateAuthority authority(*keystore);
  NewAuthority root;
  root.key_type = KeyType::kEcP256;
  root.subject = Must(RequestConfig::Parse(AsBytes("Name = bench root\n")));
  Must(authority.Create(root, {}));
  MeasureSingle(authority, work, rounds);
  MeasureBatch(authority, batch);
  MeasureOthers(work);
}

}  // namespace

}  // namespace certfs::bench

int main(int count, char** words) {
  using namespace certfs::bench;
  if (count < 2 || count > 4) Die("usage", "bench_issue WORK [ROUNDS [BATCH]]");
  Measure(words[1], count > 2 ? std::strtoul(words[2], nullptr, 10) : 500,
          count > 3 ? std::strtoul(words[3], nullptr, 10) : 10000);
  return 0;
}
