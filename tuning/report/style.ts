/** The page's style: light and dark by the reader's setting, white in print. Colours of data are Okabe and Ito's, which colour-blind readers can tell apart, lightened for dark. */

const LIGHT = `
  --page: #ffffff; --panel: #f5f6f8; --text: #1b1f24; --muted: #57606a; --line: #d0d7de; --link: #0757a8; --accent: #0757a8;
  --warn-back: #fff3e0; --warn-edge: #b35900; --good-back: #e8f5ee; --good-edge: #00704f; --hint-back: #eaf2fb; --hint-edge: #0757a8;
  --winner: #0072b2; --default: #d55e00; --other: #6b7580; --faint: #b6bec7; --compile: #e69f00;
  --state-ok: #009e73; --state-too-slow: #8cc7ea; --state-compile-failed: #9aa0a6; --state-spills: #cc79a7; --state-wrong: #d55e00;
  --state-out-of-bounds: #e69f00; --state-crashed: #2b2b2b; --state-timed-out: #ecd93a;`;

const DARK = `
  --page: #15191e; --panel: #1e242b; --text: #e6e9ed; --muted: #a3adb8; --line: #3a424c; --link: #7cc0ff; --accent: #7cc0ff;
  --warn-back: #3a2a12; --warn-edge: #f0a04b; --good-back: #11332a; --good-edge: #3ecf9f; --hint-back: #17293d; --hint-edge: #7cc0ff;
  --winner: #56b4e9; --default: #ff8f3f; --other: #8e99a5; --faint: #5a6470; --compile: #e69f00;
  --state-ok: #1fbf90; --state-too-slow: #3f7fa8; --state-compile-failed: #7d858d; --state-spills: #d993ba; --state-wrong: #f0763a;
  --state-out-of-bounds: #e6a817; --state-crashed: #f2f2f2; --state-timed-out: #f5e960;`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 24px 28px 64px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 22px; line-height: 1.25; margin: 48px 0 8px; padding-top: 14px; border-top: 2px solid var(--text); }
h3 { font-size: 18px; margin: 36px 0 6px; }
h4 { font-size: 15px; margin: 22px 0 4px; }
p { margin: 6px 0 10px; max-width: 78ch; }
a { color: var(--link); }
.muted, figcaption, .doc { color: var(--muted); }
code, td.id, dd .id, span.id { font: 0.88em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.lead { font-size: 17px; max-width: 70ch; }
nav.contents { margin: 16px 0; padding: 10px 16px; background: var(--panel); border-radius: 6px; }
nav.contents ol { margin: 4px 0; padding-left: 20px; columns: 2; column-gap: 32px; font-size: 14px; }
nav.contents li { break-inside: avoid; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 16px 0; padding: 0; list-style: none; }
.cards li { background: var(--panel); border-radius: 6px; padding: 10px 14px; }
.cards b { display: block; font-size: 23px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.cards span { color: var(--muted); font-size: 13px; }
.advice { list-style: none; padding: 0; margin: 12px 0 20px; }
.advice li { border-left: 4px solid var(--hint-edge); background: var(--hint-back); padding: 8px 12px; margin: 6px 0; border-radius: 0 6px 6px 0; }
.advice li.warning { border-color: var(--warn-edge); background: var(--warn-back); }
.advice li.good { border-color: var(--good-edge); background: var(--good-back); }
.advice b { margin-right: 4px; }
.advice code { display: block; margin-top: 3px; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 10px 0; }
dl.facts dt { color: var(--muted); } dl.facts dd { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; margin: 8px 0 14px; min-width: 50%; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 1.5px solid var(--text); vertical-align: bottom; font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
td.id span.id { font-size: inherit; } td.id { min-width: 190px; } td.w { min-width: 180px; }
tr.won td { font-weight: 600; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th button::after { content: " ⇅"; color: var(--muted); } th[aria-sort=ascending] button::after { content: " ↑"; } th[aria-sort=descending] button::after { content: " ↓"; }
figure { margin: 12px 0 16px; }
figure > .scroll { padding-bottom: 2px; }
figure svg { display: block; max-width: 100%; height: auto; min-width: 560px; }
figcaption { font-size: 13.5px; margin: 0 0 4px; max-width: 84ch; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 24px; } .pair svg { min-width: 0; width: 100%; }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 12px 20px; } .small svg { min-width: 0; width: 100%; }
.small h5 { margin: 0; font-size: 13.5px; } .small h5 span { font-weight: 400; color: var(--muted); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 2px 0 4px; padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: 5px; border-radius: 2px; vertical-align: -1px; }
.legend i.dot { border-radius: 50%; } .legend i.diamond { width: 10px; height: 10px; border-radius: 0; transform: rotate(45deg); } .legend i.hollow { border: 2px solid; background: none !important; border-radius: 50%; }
.legend i.line { width: 18px; height: 3px; vertical-align: 3px; border-radius: 0; } .legend i.dash { width: 20px; height: 0; border-top: 2px dashed var(--text); vertical-align: 3px; border-radius: 0; }
details { margin: 4px 0 12px; } summary { cursor: pointer; color: var(--link); font-size: 13.5px; }
article { border-top: 1px solid var(--line); margin-top: 32px; } article h3 { margin-top: 16px; }
.tag { display: inline-block; font-size: 12px; padding: 0 7px; border-radius: 9px; border: 1px solid var(--warn-edge); color: var(--text); background: var(--warn-back); vertical-align: 2px; }
footer { margin-top: 48px; color: var(--muted); font-size: 13px; }
@media (max-width: 720px) { body { padding: 16px; } .pair { grid-template-columns: 1fr; } nav.contents ol { columns: 1; } }
@media print {
  @page { margin: 14mm 12mm; }
  :root { color-scheme: light; ${LIGHT} }
  body { max-width: none; padding: 0; font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  summary { list-style: none; color: var(--muted); } summary::-webkit-details-marker { display: none; }
  nav.contents, th button::after { display: none; }
  a { color: inherit; text-decoration: none; }
  .scroll { overflow: visible; } figure svg { min-width: 0; } table { font-size: 8pt; min-width: 0; max-width: 100%; } th, td { padding-right: 6px; } td.id, td.w { min-width: 0; } th.n { white-space: normal; }
  figure, .cards, .small > div, tr, .advice li, dl.facts { break-inside: avoid; }
  h2, h3, h4, figcaption { break-after: avoid; }
  section.device + section.device, article.problem { break-before: page; }
}
`;

/** Niceties: columns sort on a click, and printing opens what is folded in browsers that the style cannot tell to. Everything is there without it. */
export const SCRIPT = `
'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== 'descending' && (head.classList.contains('n') || head.getAttribute('aria-sort') === 'ascending');
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent;
      const compare = (a, b) => { const x = value(a), y = value(b); const n = Number(x) - Number(y); return Number.isNaN(n) ? x.localeCompare(y) : n; };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => (down ? compare(b, a) : compare(a, b))));
    });
  });
}
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach((details) => { details.dataset.was ??= String(details.open); details.open = true; }));
addEventListener('afterprint', () => document.querySelectorAll('details').forEach((details) => { details.open = details.dataset.was === 'true'; delete details.dataset.was; }));
`;
