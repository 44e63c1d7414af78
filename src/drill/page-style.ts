/** How the report looks: light and dark, from a telephone to a wall. */
export const pageStyle = `
:root { color-scheme: light dark;
  --ground: #fbfaf7; --ink: #1d2125; --soft: #5d656d; --edge: #dcd8cf; --panel: #ffffff;
  --accepted: #2563b0; --applied: #b4530a; --band: #8a8f9633; --strike: #6b7178;
  --good: #1a7f37; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --ink: #e6e8ea; --soft: #9aa3ab; --edge: #2f353b; --panel: #1b1f23;
  --accepted: #6ea8fe; --applied: #f0a35e; --band: #9aa3ab2e; --strike: #9aa3ab;
  --good: #4ac26b; --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 3rem; }
h1 { margin: 0; font-size: 1.75rem; } h2 { margin: 2rem 0 0.5rem; font-size: 1.125rem; }
header p { margin: 0.25rem 0; color: var(--soft); }
header .verdict { font-size: 1.25rem; font-weight: 600; }
.verdict.kept { color: var(--good); } .verdict.broken, .red { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 0.75rem; margin: 1.5rem 0; }
.tiles div { padding: 0.75rem 1rem; background: var(--panel); border: 1px solid var(--edge);
  border-radius: 0.5rem; }
dt { color: var(--soft); font-size: 0.8125rem; } dd { margin: 0; font-size: 1.375rem; }
.bad { border-color: var(--bad) !important; } .bad dd { color: var(--bad); font-weight: 600; }
figure { margin: 2rem 0 0; }
figcaption { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: baseline; }
.unit { color: var(--soft); font-size: 0.875rem; }
.key { font-size: 0.875rem; }
.key i { display: inline-block; width: 1.5rem; margin-right: 0.375rem; vertical-align: middle;
  border-top: 2px solid currentColor; }
.plot { display: flex; gap: 0.5rem; margin-top: 0.5rem; }
.levels { display: flex; flex-direction: column; justify-content: space-between;
  min-width: 2.25rem; padding: 2.25rem 0 1.125rem; text-align: right; }
.levels, .times { color: var(--soft); font-size: 0.75rem; line-height: 1; }
.area { flex: 1; min-width: 0; }
.times { display: flex; justify-content: space-between; padding-top: 0.5rem; }
.numbers { position: relative; height: 2.5rem; }
.number { position: absolute; transform: translateX(-50%); min-width: 1.125rem; padding: 0 0.25rem;
  border-radius: 0.5625rem; background: var(--strike); color: var(--ground); text-align: center;
  font-size: 0.6875rem; line-height: 1.125rem; }
.number:nth-child(even) { top: 1.25rem; }
svg { display: block; width: 100%; height: 15rem; overflow: visible; }
svg path { fill: none; vector-effect: non-scaling-stroke; }
.line { stroke-width: 2; stroke-linejoin: round; }
.grid { stroke: var(--edge); } .strike { stroke: var(--strike); stroke-dasharray: 2 3; }
.band { fill: var(--band); }
path.accepted { stroke: var(--accepted); } i.accepted { color: var(--accepted); }
path.applied { stroke: var(--applied); stroke-dasharray: 6 3; }
i.applied { color: var(--applied); border-top-style: dashed !important; }
path.waiting { stroke: var(--applied); } i.waiting { color: var(--applied); }
path.fill { fill: var(--applied); fill-opacity: 0.15; stroke: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; }
th, td { padding: 0.375rem 0.75rem 0.375rem 0; border-bottom: 1px solid var(--edge);
  text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
td { white-space: nowrap; } td.long { min-width: 14rem; white-space: normal; }
footer { margin-top: 2rem; color: var(--soft); font-size: 0.8125rem; }
`;
