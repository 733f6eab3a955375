"""Style sheet of all report pages, and the script of the button that switches the theme."""

STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --soft: #59636e; --line: #d8dee4; --page: #ffffff; --panel: #f6f8fa;
  --ours: #0550ae; --good: #116329; --bad: #b3261e; --mark: #fff5c2; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) { --text: #d1d7e0; --soft: #9198a1; --line: #3d444d;
  --page: #0d1117; --panel: #151b23; --ours: #79b8ff; --good: #56d364; --bad: #ff8a80; --mark: #3a3216; } }
:root[data-theme=dark] { --text: #d1d7e0; --soft: #9198a1; --line: #3d444d; --page: #0d1117; --panel: #151b23;
  --ours: #79b8ff; --good: #56d364; --bad: #ff8a80; --mark: #3a3216; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2.5rem) 4rem; max-width: 1240px; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header { position: relative; padding-right: 3rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; font-weight: 600; }
header p, .note, figcaption, footer { color: var(--soft); font-size: .87rem; max-width: 75ch; }
#theme { position: absolute; right: 0; top: .2rem; font-size: 1.2rem; width: 2.4rem; height: 2.4rem; cursor: pointer;
  color: var(--text); background: var(--panel); border: 1px solid var(--line); border-radius: 50%; }
ul.verdicts, ul.warning { list-style: none; padding: 0; margin: 1.2rem 0; display: grid; gap: .4rem; }
ul.verdicts li, ul.warning li { padding: .45rem .8rem; background: var(--panel); border-left: 4px solid var(--soft);
  font-variant-numeric: tabular-nums; }
li.better { border-color: var(--good) !important; } li.worse, ul.warning li { border-color: var(--bad) !important; }
section { margin: 2.2rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .86rem; }
th, td { padding: .32rem .55rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--soft); white-space: nowrap; }
thead td { border: 0; }
th[scope=colgroup] { text-align: center; border-bottom: 1px solid var(--line); }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; white-space: nowrap; }
tr.ours th[scope=row] { color: var(--ours); font-weight: 700; } tr.source th[scope=row] { color: var(--soft); }
tbody tr:hover { background: var(--panel); }
td small { display: block; color: var(--soft); font-size: .72rem; white-space: nowrap; }
td.best { font-weight: 700; background: var(--mark); } td.bad { color: var(--bad); font-weight: 600; }
table.figures td { white-space: nowrap; }
table.prose td, table.prose th { text-align: left; } table.prose td { max-width: 42rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 1.4rem; }
.flowing { columns: 2 480px; column-gap: 1.4rem; } .flowing figure { break-inside: avoid; margin-bottom: 1.4rem; }
figure { margin: 0; padding: 1rem; background: var(--panel); border-radius: 8px; min-width: 0; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { margin-top: .5rem; }
.dark { display: none; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) .dark { display: block; }
  :root:not([data-theme=light]) .light { display: none; } }
:root[data-theme=dark] .dark { display: block; } :root[data-theme=dark] .light { display: none; }
summary { cursor: pointer; } summary h2 { display: inline; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); padding: .8rem; border-radius: 8px; }
:focus-visible { outline: 2px solid var(--ours); outline-offset: 2px; }
@media (max-width: 700px) { figure { padding: .7rem .2rem; } figure h2, figcaption { padding: 0 .5rem; }
  td small { display: none; } th, td { padding: .3rem .4rem; } }
@media print { #theme { display: none; } .scroll { overflow: visible; } }
"""

SCRIPT = """
document.getElementById('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
});
"""
