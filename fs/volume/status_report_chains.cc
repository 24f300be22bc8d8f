// Who certifies whom, in status/report.html: a tree of the live stores, from each root down.

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "fs/volume/status_report.h"

namespace certfs::report {

namespace {

constexpr std::size_t kUnfolded = 12;  // Children of one node, before they are folded.
constexpr std::size_t kListed = 100;   // Of one node, at all: the stores below have every one.
constexpr std::size_t kDepthMax = 8;   // As long as a chain may be; what is beneath begins anew.

struct Leaf {
  const InspectedCertificate* certificate;
  std::string path;
};

// Everything that one CA is: its certificates may be several, its name and key are one.
struct Node {
  const InspectedCertificate* certificate = nullptr;
  std::set<std::string> paths;  // Where it is trusted; empty for one that only comes along in chains.
  std::set<Digest> parents;     // Several for one that is cross-certified.
  std::vector<Leaf> leaves;
};

class Tree {
 public:
  explicit Tree(const Page& page) : page_(page) {
    for (const auto& store : page.facts.inspection->stores) {
      for (const auto& entry : store->entries) Add(*store, *entry);
    }
    for (auto& [holder, node] : nodes_) {
      for (const Digest& parent : node.parents) {
        if (nodes_.contains(parent)) children_[parent].push_back(holder);
      }
    }
  }

  std::string Html() {
    std::string used;
    std::string unused;
    std::size_t unused_count = 0;
    const auto show = [&](const Digest& holder, const Node& node) {
      const bool lone = !children_.contains(holder) && node.leaves.empty();
      (lone ? unused : used) += Subtree(holder, 1);
      unused_count += lone ? 1 : 0;
    };
    for (const auto& [holder, node] : nodes_) {
      const bool top = std::none_of(node.parents.begin(), node.parents.end(),
                                    [&](const Digest& parent) { return nodes_.contains(parent); });
      if (top) show(holder, node);
    }
    // CAs that certify each other in a circle, and what lies deeper than is shown at once.
    for (const auto& [holder, node] : nodes_) {
      if (!shown_.contains(holder) && !left_out_.contains(holder)) show(holder, node);
    }
    std::string html;
    if (!used.empty()) html += "<ul class=\"tree\">\n" + used + "</ul>\n";
    html += Orphans();
    if (!unused.empty())
      html +=
          Folded(unused_count > 3,
                 "Trusted, and nothing here is issued by " + std::string(unused_count == 1 ? "it" : "them") +
                     ": " + Counted(unused_count, "CA", "CAs"),
                 "<ul class=\"tree\">\n" + unused + "</ul>\n");
    return html.empty() ? "<p>There are no certificates.</p>\n" : html;
  }

 private:
  void Add(const InspectedStore& store, const InspectedEntry& entry) {
    for (std::size_t i = 0; i < entry.chain.size(); ++i) {
      const InspectedCertificate& certificate = *entry.chain[i];
      const Digest& issuer = entry.issuers[i];
      const bool anchor = i == 0 && store.trust;
      if (i == 0 && !anchor) {
        const Leaf leaf{&certificate, PathOf(store, entry)};
        if (certificate.self_signed || issuer == Digest{}) {
          orphans_[certificate.self_signed ? "" : certificate.issuer].push_back(leaf);
        } else {
          nodes_[issuer].leaves.push_back(leaf);
        }
        continue;
      }
      Node& node = nodes_[certificate.holder];
      node.certificate = &certificate;
      if (anchor) node.paths.insert(PathOf(store, entry));
      if (issuer != certificate.holder && issuer != Digest{}) node.parents.insert(issuer);
    }
  }

  static std::string Line(const std::string& name, std::string_view kind, const std::string& path,
                          const std::string& end, std::optional<Urgency> urgency) {
    std::string line = "<p class=\"node\"><span class=\"kind\">" + std::string(kind) +
                       "</span> <strong><bdi>" + Escaped(name) + "</bdi></strong>";
    if (!path.empty()) line += " <span class=\"path\"><bdi>" + Escaped(path) + "</bdi></span>";
    line += " <span class=\"ends\">" + end + "</span>";
    if (urgency) line += " " + Badge(urgency);
    return line + "</p>";
  }
  std::string EndOf(const InspectedCertificate& certificate) const {
    const std::int64_t days = DaysLeft(page_.facts.today, certificate.not_after);
    return std::string(days < 0 ? "ended " : "until ") +
           DateText(std::chrono::floor<std::chrono::days>(certificate.not_after));
  }
  std::string LeafHtml(const Leaf& leaf) const {
    return "<li>" +
           Line(LabelOf(*leaf.certificate), "leaf", leaf.path, EndOf(*leaf.certificate),
                page_.UrgencyOf(leaf.path)) +
           "</li>\n";
  }

  std::string Leaves(std::vector<Leaf>& leaves) const {
    std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) {
      return std::tie(a.certificate->not_after, a.path) < std::tie(b.certificate->not_after, b.path);
    });
    std::string html;
    const std::size_t listed = std::min(leaves.size(), kListed);
    for (std::size_t i = 0; i < listed; ++i) html += LeafHtml(leaves[i]);
    if (listed < leaves.size())
      html += "<li class=\"rest\">and " + std::to_string(leaves.size() - listed) +
              " that end later: all are listed by store below</li>\n";
    return html;
  }

  // Leaves out what is beneath, too: it must not stand there as if nobody certified it.
  void LeaveOut(const Digest& holder) {
    std::vector<Digest> waiting{holder};
    while (!waiting.empty()) {
      const Digest each = waiting.back();
      waiting.pop_back();
      const auto children = children_.find(each);
      if (!left_out_.insert(each).second || children == children_.end()) continue;
      waiting.insert(waiting.end(), children->second.begin(), children->second.end());
    }
  }

  // What is beneath a CA stands there once, however many certify it.
  std::string Children(const std::vector<Digest>& children, std::size_t depth) {
    if (depth == kDepthMax) return "<li class=\"rest\">what it certifies is shown by itself</li>\n";
    std::string html;
    const std::size_t listed = std::min(children.size(), kListed);
    for (std::size_t i = 0; i < listed; ++i) html += Subtree(children[i], depth + 1);
    for (std::size_t i = listed; i < children.size(); ++i) LeaveOut(children[i]);
    if (listed < children.size())
      html += "<li class=\"rest\">and " + Counted(children.size() - listed, "CA", "CAs") +
              ": entries are listed by store below</li>\n";
    return html;
  }

  std::string Subtree(const Digest& holder, std::size_t depth) {
    Node& node = nodes_[holder];
    const bool again = !shown_.insert(holder).second;
    const bool root = node.parents.empty();
    const std::string path = node.paths.empty() ? std::string() : *node.paths.begin();
    std::string html =
        node.certificate == nullptr
            ? "<li>" + Line("an issuer that is not shown", "CA", "", "", std::nullopt)
            : "<li>" + Line(LabelOf(*node.certificate), root && node.certificate->self_signed ? "root" : "CA",
                            path.empty() ? "comes along in chains" : path, EndOf(*node.certificate),
                            path.empty() ? std::nullopt : page_.UrgencyOf(path));
    const auto children = children_.find(holder);
    if (again) {
      const bool lone = children == children_.end() && node.leaves.empty();
      return html + (lone ? "" : "<p class=\"rest\">what it certifies is shown above</p>") + "</li>\n";
    }
    std::string below;
    std::size_t count = node.leaves.size();
    if (children != children_.end()) {
      count += children->second.size();
      below += Children(children->second, depth);
    }
    below += Leaves(node.leaves);
    if (!below.empty())
      html += Folded(count > kUnfolded, Counted(count, "certificate", "certificates"),
                     "<ul>\n" + below + "</ul>\n");
    return html + "</li>\n";
  }

  // What nobody who is known here certifies.
  std::string Orphans() {
    std::string html;
    for (auto& [issuer, leaves] : orphans_) {
      const std::string name = issuer.empty() ? "Self-signed" : issuer;
      html += "<li><p class=\"node\"><span class=\"kind\">" +
              std::string(issuer.empty() ? "self" : "unknown") + "</span> <strong><bdi>" + Escaped(name) +
              "</bdi></strong>" +
              (issuer.empty() ? "" : " <span class=\"path\">this issuer is not in TRUSTED_ROOTS</span>") +
              "</p>" +
              Folded(leaves.size() > kUnfolded, Counted(leaves.size(), "certificate", "certificates"),
                     "<ul>\n" + Leaves(leaves) + "</ul>\n") +
              "</li>\n";
    }
    return html.empty() ? html : "<ul class=\"tree\">\n" + html + "</ul>\n";
  }

  const Page& page_;
  std::map<Digest, Node> nodes_;
  std::map<Digest, std::vector<Digest>> children_;
  std::set<Digest> shown_;
  std::set<Digest> left_out_;
  std::map<std::string, std::vector<Leaf>> orphans_;  // By the issuer's name; empty: self-signed.
};

}  // namespace

std::string Chains(const Page& page) { return Tree(page).Html(); }

}  // namespace certfs::report
