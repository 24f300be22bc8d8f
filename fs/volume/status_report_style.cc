// The style sheet of status/report.html: light and dark, wide and narrow, on paper.

#include "fs/volume/status_report.h"

namespace certfs::report {

std::string_view Style() {
  return R"css(:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #16202c; --soft: #556372; --line: #dde3ea; --link: #0b57a4;
  --critical: #b3261e; --critical-back: #fdecea; --warning: #8a5300; --warning-back: #fff3dc;
  --info: #2b5c8a; --info-back: #e8f1fa; --good: #1e6b3a; --good-back: #e6f4ea; --bar: #3b78b8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151b; --card: #182029; --text: #e6ebf1; --soft: #9fadbc; --line: #2b3642; --link: #8ec2f7;
    --critical: #ff9d94; --critical-back: #3d1c1a; --warning: #f5c26b; --warning-back: #3a2c12;
    --info: #9cc8f2; --info-back: #1b2f43; --good: #86d6a2; --good-back: #17321f; --bar: #6aa5e0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 3rem; max-width: 68rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  overflow-wrap: anywhere;
}
p, ul, dl, dd, h1, h2, h3, h4 { margin: 0; }
ul { padding: 0; list-style: none; }
a { color: var(--link); }
code { font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
.product { color: var(--soft); font-size: 0.8125rem; font-weight: 600; letter-spacing: 0.08em; text-transform: uppercase; }
h1 { font-size: 1.875rem; line-height: 1.2; letter-spacing: -0.015em; }
.asof { color: var(--soft); margin-top: 0.25rem; }
.state { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 0.75rem; margin-top: 1rem; font-size: 1.0625rem; }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin-top: 1rem; padding-top: 0.75rem; border-top: 1px solid var(--line); }
nav a { padding: 0.25rem 0; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
h2 { font-size: 1.3125rem; line-height: 1.3; margin: 2.5rem 0 0.875rem; letter-spacing: -0.01em; }
h3 { font-size: 1.0625rem; line-height: 1.4; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 0.75rem; margin-top: 1.5rem; }
.tile, .group, .store, .chart, table, .tree, .empty { background: var(--card); border: 1px solid var(--line); border-radius: 0.625rem; }
.tile { padding: 0.875rem 1rem; }
.label { display: block; color: var(--soft); font-size: 0.875rem; }
.value { display: block; font-size: 1.5rem; font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }
.note { display: block; color: var(--soft); font-size: 0.875rem; }
.badge { display: inline-flex; align-items: center; gap: 0.375rem; padding: 0.0625rem 0.625rem 0.0625rem 0.375rem; border-radius: 1rem; font-size: 0.8125rem; font-weight: 650; white-space: nowrap; }
.sign { display: inline-flex; align-items: center; justify-content: center; width: 1rem; height: 1rem; border: 1.5px solid currentColor; border-radius: 50%; font-size: 0.6875rem; line-height: 1; }
.badge.critical { color: var(--critical); background: var(--critical-back); }
.badge.warning { color: var(--warning); background: var(--warning-back); }
.badge.info { color: var(--info); background: var(--info-back); }
.badge.good { color: var(--good); background: var(--good-back); }
.state .badge { font-size: 1rem; padding: 0.1875rem 0.875rem 0.1875rem 0.5rem; }
.group { margin-top: 0.75rem; padding: 0.875rem 1rem; border-left-width: 4px; }
.group.critical { border-left-color: var(--critical); }
.group.warning { border-left-color: var(--warning); }
.group.info { border-left-color: var(--info); }
.group h3 { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 0.625rem; }
.group h3 code { color: var(--soft); font-weight: 400; }
.group li { margin-top: 0.75rem; padding-top: 0.75rem; border-top: 1px solid var(--line); }
.subject { font-weight: 650; }
.group li p + p { color: var(--soft); font-size: 0.9375rem; }
.group li p.action { margin-top: 0.375rem; }
.action code { display: block; padding: 0.375rem 0.625rem; color: var(--text); background: var(--page); border: 1px solid var(--line); border-radius: 0.375rem; }
.rest, .empty { color: var(--soft); }
.empty { padding: 0.75rem 1rem; margin-top: 0.75rem; font-size: 0.9375rem; }
summary { cursor: pointer; padding: 0.5rem 0; color: var(--link); font-weight: 600; }
.legend { margin-bottom: 0.625rem; color: var(--soft); font-size: 0.875rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
.key { display: inline-flex; align-items: center; gap: 0.5rem; }
.key::before { content: ""; width: 1.375rem; height: 0.75rem; border-radius: 0.1875rem; }
.key.ended::before { background: repeating-linear-gradient(45deg, var(--critical) 0 3px, transparent 3px 5px), var(--critical-back); }
.key.soon::before { background: var(--warning-back); border: 2px solid var(--warning); }
.key.later::before { background: var(--bar); }
.chart { display: block; padding: 0.75rem 1rem; box-sizing: content-box; width: calc(100% - 2rem - 2px); }
.chart text { font-size: 13px; fill: var(--text); }
.chart .when { fill: var(--soft); }
.chart .count { font-weight: 650; font-variant-numeric: tabular-nums; }
.chart .ended { fill: var(--critical); fill-opacity: 0.75; stroke: var(--critical); stroke-dasharray: 3 2; }
.chart .soon { fill: var(--warning-back); stroke: var(--warning); stroke-width: 2; }
.chart .later { fill: var(--bar); }
.chart .none { fill: var(--line); }
table { width: 100%; border-collapse: separate; border-spacing: 0; margin-top: 0.75rem; overflow: hidden; }
caption { padding: 0.5rem 0; text-align: left; font-weight: 650; }
th, td { padding: 0.5rem 1rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); font-size: 0.9375rem; }
thead th { border-top: 0; color: var(--soft); font-size: 0.8125rem; font-weight: 600; }
tbody th { font-weight: 600; }
table { table-layout: fixed; }
th:first-child { width: 38%; }
.entries th:first-child { width: 26%; }
.entries th:nth-child(2) { width: 16%; }
th:nth-child(3):last-child { width: 18%; }
.entries th:nth-child(4) { width: 15%; }
.entries th:nth-child(5) { width: 14%; }
.date { white-space: nowrap; font-variant-numeric: tabular-nums; }
.distance { display: block; color: var(--soft); font-size: 0.875rem; white-space: nowrap; }
.store { margin-top: 0.75rem; overflow: hidden; }
.store h3 { padding: 0.75rem 1rem 0.25rem; }
.store h3 .count { margin-left: 0.375rem; color: var(--soft); font-size: 0.875rem; font-weight: 400; }
.store table { margin: 0; border: 0; border-radius: 0; }
.store summary { padding: 0.25rem 1rem 0.75rem; }
.tree { padding: 0.75rem 1rem; }
.tree + .tree, .tree + details, details > .tree { margin-top: 0.75rem; }
.tree ul { margin-left: 0.5rem; padding-left: 1rem; border-left: 2px solid var(--line); }
.tree summary { margin-left: 0.5rem; padding: 0.125rem 0; }
.node { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 0.625rem; padding: 0.1875rem 0; }
.node strong { font-weight: 600; }
.kind { min-width: 3rem; padding: 0 0.375rem; border: 1px solid var(--line); border-radius: 0.25rem; color: var(--soft); font-size: 0.75rem; text-align: center; }
.path, .ends { color: var(--soft); font-size: 0.875rem; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
@media (max-width: 40rem) {
  body { padding-top: 1.25rem; }
  h1 { font-size: 1.5rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 0.5rem; }
  .tile { padding: 0.625rem 0.75rem; }
  .value { font-size: 1.1875rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  caption { display: block; padding: 0.625rem 1rem 0; }
  tbody tr { padding: 0.625rem 1rem; border-top: 1px solid var(--line); }
  tbody th, td { padding: 0.125rem 0; border: 0; }
  td { display: grid; grid-template-columns: 4.5rem 1fr; }
  td::before { content: attr(data-label); color: var(--soft); font-size: 0.875rem; }
  td > * { grid-column: 2; }
  .distance { display: inline; margin-left: 0.375rem; }
  tbody th, th:first-child, .entries th:first-child { width: auto; }
}
@media print {
  :root {
    --page: #ffffff; --card: #ffffff; --text: #000000; --soft: #444444; --line: #bbbbbb; --link: #000000;
    --critical: #8c1d18; --warning: #6b4100; --info: #1f4a73; --good: #14532d;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .tile, .group li, tr, .node { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .badge, .key::before, .chart rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";
}

}  // namespace certfs::report
