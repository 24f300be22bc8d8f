#include "store/authority_state.h"

namespace certfs {

Result<Issued> CertificateAuthority::Issue(const IssueOrder& order, Actor actor) {
  return std::move(TRY(IssueAll({&order, 1}, actor)).front());
}

Result<std::vector<Issued>> CertificateAuthority::IssueAll(std::span<const IssueOrder> orders, Actor actor) {
  return WhileOvertaken([&]() -> Result<std::vector<Issued>> {
    const Issuance at = TRY(state_->BeginIssuance(actor));
    auto made = MakeAll<Draft>(orders.size(), [&](std::size_t i) { return state_->DraftOf(at, orders[i]); });
    std::vector<Draft> drafts;
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (made[i]->has_value()) {
        drafts.push_back(std::move(*made[i]).value());
        continue;
      }
      if (orders.size() == 1) return made[i]->error();
      return About("request " + std::to_string(i + 1), made[i]->error());
    }
    TRY(state_->Apply([&](TableTransaction& transaction) -> Result<void> {
      AuthorityRecord record = TRY(GetIssuingRecord(transaction));
      TRY(State::CheckIssuance(record, at));
      for (Draft& draft : drafts) TRY(State::Enter(transaction, record, draft));
      return transaction.PutAuthority(record);
    }));
    std::vector<Issued> issued;
    for (Draft& draft : drafts) issued.push_back(std::move(draft.issued));
    return issued;
  });
}

namespace {

// The lines that are picked up under that name.
Result<std::vector<IssuedCertificate>> PickedUpAs(TableTransaction& transaction, const std::string& pickup) {
  std::vector<IssuedCertificate> lines;
  if (!pickup.empty()) {
    TRY(transaction.ListIssued(IssuedGroupKey::Pickup(pickup), [&](Cursor, const IssuedCertificate& line) {
      lines.push_back(line.Clone());
      return true;
    }));
  }
  if (lines.empty()) return Error(ErrorCode::kNotFound, "nothing is to be picked up under that name");
  return lines;
}

}  // namespace

Result<void> CertificateAuthority::RemovePickup(const std::string& pickup) {
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    for (IssuedCertificate& line : TRY(PickedUpAs(transaction, pickup))) {
      line.pickup.clear();
      line.key.clear();
      TRY(transaction.PutIssued(std::move(line)));
    }
    return {};
  });
}

Result<void> CertificateAuthority::RemovePickupKey(const std::string& pickup) {
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    for (IssuedCertificate& line : TRY(PickedUpAs(transaction, pickup))) {
      line.key.clear();
      TRY(transaction.PutIssued(std::move(line)));
    }
    return {};
  });
}

}  // namespace certfs
