/** The HTML report: one page without external parts, readable in light and dark. Rendered by report.ts with Handlebars in strict mode. */
export const HTML_TEMPLATE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{title}}</title>
<style>
:root { --ink: #1d2733; --soft: #5b6875; --paper: #ffffff; --line: #d9dfe5; --bar: #2f6f9f; --mark: #b3541e; --card: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --soft: #9aa7b4; --paper: #14191f; --line: #2d3741; --bar: #6aaede; --mark: #f0a06a; --card: #1c232b; }
}
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; }
h2 { margin: 2.25rem 0 .25rem; font-size: 1.15rem; }
.headline { font-size: 1.1rem; margin: 0 0 1.25rem; }
.note { margin: 0 0 .75rem; color: var(--soft); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; padding: .9rem 1.1rem; background: var(--card); border-radius: .5rem; font-size: .92rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
/* The last column may hold a kernel id: long, and without a space. */
td:last-child { white-space: normal; overflow-wrap: anywhere; min-width: 5rem; }
th { color: var(--soft); font-weight: 600; }
svg { display: block; width: 100%; height: auto; max-width: 46rem; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg rect { fill: var(--bar); }
svg line { stroke: var(--mark); stroke-width: 2; }
</style>
</head>
<body>
<h1>{{title}}</h1>
<p class="headline">{{headline}}</p>
<dl>
{{#each facts}}<dt>{{name}}</dt><dd>{{value}}</dd>
{{/each}}</dl>
{{#each charts}}
<h2>{{title}}</h2>
<p class="note">{{note}}</p>
<svg viewBox="0 0 {{width}} {{height}}" role="img" aria-label="{{title}}">
{{#each bars}}<text x="{{labelX}}" y="{{textY}}" text-anchor="end">{{label}}</text><rect x="{{x}}" y="{{y}}" width="{{width}}" height="18" rx="3"></rect><text x="{{textX}}" y="{{textY}}">{{text}}</text>{{#if mark}}<line x1="{{mark.x}}" x2="{{mark.x}}" y1="{{mark.y1}}" y2="{{mark.y2}}"></line>{{/if}}
{{/each}}</svg>
{{/each}}
{{#each tables}}
<h2>{{title}}</h2>
<p class="note">{{note}}</p>
<div class="scroll"><table>
<thead><tr>{{#each columns}}<th scope="col">{{this}}</th>{{/each}}</tr></thead>
<tbody>
{{#each rows}}<tr>{{#each this}}<td>{{this}}</td>{{/each}}</tr>
{{/each}}</tbody>
</table></div>
{{/each}}
{{#if notes.length}}
<h2>Notes</h2>
<ul>
{{#each notes}}<li>{{this}}</li>
{{/each}}</ul>
{{/if}}
</body>
</html>
`;
