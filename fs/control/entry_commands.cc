// Commands that write entries: renewing, several at once, and taking that back.

#include "fs/control/commands.h"
#include "fs/control/payload.h"

namespace certfs::control {

namespace {

constexpr std::uint64_t kDaysMax = 36500;
constexpr std::uint64_t kWithinDefault = 30;

Result<Number> EntryNumber(TableSnapshot& snapshot, const EntryPath& path) {
  const std::optional<Store> store = TRY(snapshot.FindStore(path.store));
  const auto entry = store ? TRY(snapshot.FindEntry(store->number, path.alias)) : std::nullopt;
  if (!entry)
    return Error(ErrorCode::kNotFound,
                 path.store.text() + "/" + path.alias.text() + ": there is no such entry");
  return entry->number;
}

Result<Json> PlanJson(TableSnapshot& snapshot, const RenewalPlan& plan, Time now) {
  Json json;
  json["store"] = plan.store.text();
  json["alias"] = plan.alias.text();
  json["issued"] = TRY(LineJson(snapshot, plan.current, now));
  json["reason"] = plan.reason;
  json["obstacle"] = plan.obstacle ? Json(plan.obstacle->message()) : Json(nullptr);
  return json;
}

// Which entries the orders name, of those that are there.
Result<std::vector<Number>> EntriesOf(Keystore& keystore, const std::vector<EntryOrder>& orders) {
  const auto snapshot = TRY(keystore.Snapshot());
  std::vector<Number> numbers;
  for (const EntryOrder& order : orders) {
    const auto number = EntryNumber(*snapshot, {order.store, order.alias});
    if (number.has_value()) numbers.push_back(number.value());
  }
  return numbers;
}

// The serial number of what the entry holds now, where this authority issued it.
Result<Json> SerialIn(TableSnapshot& snapshot, const Entry& entry) {
  Json serial = nullptr;
  TRY(snapshot.ListIssued(IssuedGroupKey::InEntry(entry.number), [&](Cursor, const IssuedCertificate& line) {
    serial = ToText(line.serial);
    return false;
  }));
  return serial;
}

Json FindingsJson(const std::vector<Finding>& findings) {
  Json json = Json::array();
  for (const Finding& each : findings) json.push_back(each.Describe());
  return json;
}

Result<LastOperation> OperationToRevert(TableSnapshot& snapshot) {
  AuthorityRecord record = TRY(snapshot.GetAuthority());
  if (!record.last_operation || record.last_operation->reverted)
    return Error(ErrorCode::kNotFound, "no-operation", "there is no operation to be reverted");
  return *std::move(record.last_operation);
}

}  // namespace

Result<Answer> PlanRenewal(Context& context, const CommandLine& line) {
  const std::uint64_t within = TRY(line.Number("within", 0, kDaysMax, 'd')).value_or(kWithinDefault);
  const auto snapshot = TRY(context.keystore.Snapshot());
  Answer answer;
  auto& entries = answer.json["entries"] = Json::array();
  const Time now = context.keystore.Now();
  if (line.words.size() > 1) {
    const EntryPath path = TRY(ParseEntryPath(line.words[1]));
    const auto plan = TRY(context.authority.PlanRenewal(*snapshot, path.store, path.alias));
    if (plan) entries.push_back(TRY(PlanJson(*snapshot, *plan, now)));
    return answer;
  }
  const std::chrono::days days(static_cast<int>(within));
  for (const RenewalPlan& plan : TRY(context.authority.PlanRenewals(*snapshot, days)))
    entries.push_back(TRY(PlanJson(*snapshot, plan, now)));
  return answer;
}

Result<Answer> Renew(Context& context, const CommandLine& line) {
  if (line.words.size() < 2) return Wrong("which entry: STORE/ALIAS");
  const EntryPath path = TRY(ParseEntryPath(line.words[1]));
  const Number entry = TRY(EntryNumber(*TRY(context.keystore.Snapshot()), path));
  std::optional<IssuedCertificate> renewed;
  TRY(context.change({entry}, [&]() -> Result<void> {
    renewed = TRY(context.authority.Renew(entry, line.Has("rekey"), context.actor));
    return {};
  }));
  const Time now = context.keystore.Now();
  Answer answer;
  answer.json["issued"] =
      ReadBack(context, TRY(LineJson(*renewed, path.store.text() + "/" + path.alias.text(), now)),
               [&](TableSnapshot& snapshot) { return LineJson(snapshot, *renewed, now); });
  return answer;
}

Result<Answer> WriteEntries(Context& context, const CommandLine& line) {
  const bool plan = line.Has("plan");
  const std::vector<EntryOrder> orders = TRY(ParseEntryOrders(line.payload));
  std::vector<WriteOutcome> outcomes;
  const auto write = [&]() -> Result<void> {
    outcomes = TRY(context.authority.WriteEntries(orders, line.Word(1), plan, context.actor));
    return {};
  };
  if (plan) {
    TRY(write());
  } else {
    TRY(context.change(TRY(EntriesOf(context.keystore, orders)), write));
  }
  Answer answer;
  auto& entries = answer.json["entries"] = Json::array();
  for (std::size_t i = 0; i < outcomes.size() && i < orders.size(); ++i) {
    Json json;
    json["store"] = orders[i].store.text();
    json["alias"] = orders[i].alias.text();
    json["changed"] = outcomes[i].changed;
    json["findings"] = FindingsJson(outcomes[i].findings);
    json["serial"] = nullptr;
    if (!plan) {
      json["serial"] = ReadBack(
          context, nullptr, [&](TableSnapshot& snapshot) { return SerialIn(snapshot, outcomes[i].entry); });
    }
    entries.push_back(std::move(json));
  }
  return answer;
}

Result<Answer> Revert(Context& context, const CommandLine& line) {
  const bool plan = line.Has("plan");
  const LastOperation operation = TRY(OperationToRevert(*TRY(context.keystore.Snapshot())));
  std::vector<std::string> reverted;
  const auto revert = [&]() -> Result<void> {
    reverted = TRY(context.authority.RevertLast(plan, context.actor));
    return {};
  };
  if (plan) {
    TRY(revert());
  } else {
    std::vector<Number> entries;
    for (const LastOperation::Changed& each : operation.entries) entries.push_back(each.entry);
    TRY(context.change(entries, revert));
  }
  Answer answer;
  answer.json["entries"] = reverted;
  answer.json["operation"] = operation.name;
  return answer;
}

}  // namespace certfs::control
