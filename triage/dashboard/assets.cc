// The dashboard's HTML, CSS and JavaScript. The script reads the JSON in the page and draws: curves and bars as SVG, findings
// as cards. It adds nothing to the data; tests compare what it draws with what they say (tests/web).
#include "triage/dashboard/assets.h"

namespace parallax::triage {

const char* const kDashboardBody = R"html(
<header><h1 id="title"></h1><p class="soft" id="facts"></p></header>
<noscript><section>The pictures are drawn by a script; the data stand in this file as JSON.</section></noscript>
<div id="remarks"></div>
<div class="kpis" id="kpis"></div>
<section id="growth" aria-labelledby="h-growth" hidden><h2 id="h-growth">Growth</h2>
<p class="soft">Point at a curve, or focus it and use the arrow keys, to read values.</p>
<div class="charts" id="curves"></div></section>
<section id="judged" aria-labelledby="h-judged" hidden><h2 id="h-judged">What became of the cases</h2>
<div class="charts" id="bars"></div></section>
<section id="findings" aria-labelledby="h-findings"><h2 id="h-findings">Findings</h2>
<div class="filters">
<label>Search <input id="search" type="search" placeholder="words of signature, difference, origin"></label>
<label>Class <select id="class"><option value="">all</option></select></label>
<label>Order <select id="order"><option value="count">most seen</option><option value="class">class</option><option value="id">name</option></select></label>
</div>
<p class="soft" id="shown" aria-live="polite"></p>
<div id="buckets"></div></section>
)html";

const char* const kDashboardStyle = R"css(
.kpis{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.7rem;margin:0 0 1rem}
.kpi{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.6rem .8rem}
.kpi b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums;line-height:1.3}.kpi span{color:var(--soft);font-size:.85rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1rem}
figure{margin:0;min-width:0}figcaption{font-weight:600;margin:0 0 .3rem;display:flex;gap:.8rem;flex-wrap:wrap;align-items:baseline}
.key{font-weight:400;font-size:.85rem;color:var(--soft)}.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.3em}
.chart{width:100%;height:auto;display:block;border-radius:6px}
.chart text{fill:var(--soft);font:11px system-ui,sans-serif}.chart .grid{stroke:var(--line);stroke-width:1}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}.chart .cursor{stroke:var(--soft);stroke-dasharray:3 3}
.read{min-height:1.4em;font-size:.85rem;color:var(--soft);font-variant-numeric:tabular-nums}
.bars{display:grid;grid-template-columns:minmax(4.5rem,38%) minmax(4rem,1fr) auto;gap:.25rem .6rem;align-items:center;font-size:.9rem}
.bars .track{background:var(--code);border-radius:4px;height:1.05rem}
.bars .bar{background:var(--accent);border-radius:4px;height:100%;min-width:1px}
.bars .n{font-variant-numeric:tabular-nums;text-align:right;color:var(--soft)}
.filters{display:flex;gap:.8rem;flex-wrap:wrap;margin:0 0 .6rem}
.filters label{display:flex;flex-direction:column;font-size:.85rem;color:var(--soft);gap:.15rem}
.filters label:first-child{flex:1 1 14rem}
input,select{font:inherit;padding:.35rem .5rem;border:1px solid var(--line);border-radius:6px;background:var(--page);color:var(--ink);min-width:0;width:100%}
#buckets{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(21rem,100%),1fr));gap:.9rem;align-items:start}
.bucket{border:1px solid var(--line);border-radius:10px;padding:.8rem .9rem;background:var(--page);min-width:0}
.bucket h3{margin:.35rem 0;font-size:.98rem;line-height:1.35;font-weight:600;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:4;overflow:hidden}
.bucket h3 a{text-decoration:none}.bucket h3 a:hover,.bucket h3 a:focus{text-decoration:underline}
.bucket ul{margin:.4rem 0 0;padding-left:1.1rem;font-size:.88rem}
.bucket .sig{font-size:.8rem}
.thumb{height:9rem;overflow:hidden;border-radius:8px;background:var(--card);border:1px solid var(--line);margin:.4rem 0;display:flex;align-items:flex-start;justify-content:flex-start}
.thumb svg{flex:none;transform-origin:0 0}
.votes{display:flex;gap:3px;flex-wrap:wrap;margin:.35rem 0}.votes i{width:.95rem;height:.95rem;border-radius:3px;background:var(--good)}
.votes i.other{background:var(--bad)}.votes i.none{background:var(--line)}
)css";

const char* const kDashboardScript = R"js(
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const COLOURS = ['#3b76e1', '#d9822b', '#2e9e6b', '#b04fc0', '#c8374a', '#4a9fb5'];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'text') made.textContent = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
function drawn(name, attributes = {}, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function short(n) {
  if (!Number.isFinite(n)) return '-';
  const steps = [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']];
  for (const [size, letter] of steps) if (Math.abs(n) >= size) return +(n / (letter === 'k' ? 1e3 : size)).toPrecision(3) + letter;
  return Number.isInteger(n) ? String(n) : n.toFixed(1);
}
function whole(n) { return Math.round(n).toLocaleString('en-US'); }
function duration(s) {
  if (s < 120) return short(Math.round(s)) + ' s';
  if (s < 7200) return (s / 60).toFixed(1) + ' min';
  if (s < 172800) return (s / 3600).toFixed(1) + ' h';
  return (s / 86400).toFixed(1) + ' d';
}
function mebibytes(n) { return n >= 10240 ? short(n / 1024) + ' GiB' : short(Math.round(n)) + ' MiB'; }
function ceiling(n) {
  if (n <= 4) return n <= 0 ? 1 : 4;
  if (n <= 8) return 8;
  const power = 10 ** Math.floor(Math.log10(n));
  for (const step of [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]) if (n <= step * power * 1.0000001) return step * power;
  return 10 * power;
}

// A curve per series over time. The frame is fixed, so that a reader of the DOM can compute values from places:
// y = bottom - value / top * height.
const FRAME = {left: 54, right: 8, top: 8, bottom: 22, width: 440, height: 190};
function curve(id, title, series, format = short) {
  series = series.filter(one => one.values.some(v => v > 0));
  if (series.length === 0) return;
  const times = data.samples.seconds, last = times[times.length - 1] || 1;
  const most = ceiling(Math.max(...series.flatMap(one => one.values)));
  const inner = {w: FRAME.width - FRAME.left - FRAME.right, h: FRAME.height - FRAME.top - FRAME.bottom};
  const x = t => FRAME.left + t / last * inner.w, y = v => FRAME.top + inner.h - v / most * inner.h;
  const svg = drawn('svg', {viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, class: 'chart', id, role: 'img', tabindex: 0,
    'data-top': most, 'data-last': last, 'aria-label': `${title}: ` + series.map(one => `${one.name} ${format(one.values[one.values.length - 1])}`).join(', ')});
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(drawn('line', {class: 'grid', x1: FRAME.left, x2: FRAME.width - FRAME.right, y1: y(most * part), y2: y(most * part)}));
    svg.append(drawn('text', {x: FRAME.left - 5, y: y(most * part) + 4, 'text-anchor': 'end'}, format(most * part)));
  }
  for (const part of [0, 0.5, 1]) {
    svg.append(drawn('text', {x: x(last * part), y: FRAME.height - 6, 'text-anchor': ['start', 'middle', 'end'][part * 2]}, duration(last * part)));
  }
  const key = element('span', {class: 'key'});
  series.forEach((one, i) => {
    const points = one.values.map((v, k) => `${x(times[k]).toFixed(2)} ${y(v).toFixed(2)}`);
    svg.append(drawn('path', {class: 'line', 'data-series': one.name, stroke: COLOURS[i % COLOURS.length], d: 'M' + points.join('L')}));
    if (points.length === 1) svg.append(drawn('circle', {cx: x(times[0]), cy: y(one.values[0]), r: 3, fill: COLOURS[i % COLOURS.length]}));
    const mark = element('i'); mark.style.background = COLOURS[i % COLOURS.length];
    key.append(mark, element('span', {text: one.name + ' '}));
  });
  const cursor = drawn('line', {class: 'cursor', y1: FRAME.top, y2: FRAME.top + inner.h, visibility: 'hidden'});
  svg.append(cursor);
  const read = element('div', {class: 'read', 'aria-live': 'polite'});
  let at = times.length - 1;
  const show = index => {
    at = Math.min(Math.max(index, 0), times.length - 1);
    cursor.setAttribute('x1', x(times[at])); cursor.setAttribute('x2', x(times[at])); cursor.setAttribute('visibility', 'visible');
    read.textContent = `after ${duration(times[at])}: ` + series.map(one => `${one.name} ${format(one.values[at])}`).join(', ');
  };
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect();
    const t = ((event.clientX - box.left) / box.width * FRAME.width - FRAME.left) / inner.w * last;
    let best = 0;
    times.forEach((time, k) => { if (Math.abs(time - t) < Math.abs(times[best] - t)) best = k; });
    show(best);
  });
  svg.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9}[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(at + step);
  });
  svg.addEventListener('blur', () => { cursor.setAttribute('visibility', 'hidden'); read.textContent = ''; });
  $('curves').append(element('figure', {}, element('figcaption', {}, element('span', {text: title}), key), svg, read));
  $('growth').hidden = false;
}

// Horizontal bars by count; widths are shares of the largest.
function bars(id, title, counts) {
  const rows = Object.entries(counts).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  if (rows.length === 0) return;
  const most = rows[0][1], total = rows.reduce((sum, [, n]) => sum + n, 0);
  const list = element('div', {class: 'bars', id, role: 'table', 'aria-label': title});
  for (const [name, n] of rows) {
    const bar = element('div', {class: 'bar', 'data-count': n});
    bar.style.width = (n / most * 100) + '%';
    list.append(element('span', {text: name, role: 'rowheader'}), element('div', {class: 'track', 'aria-hidden': 'true'}, bar),
                element('span', {class: 'n', role: 'cell', text: `${whole(n)} (${(n / total * 100).toFixed(n / total < 0.01 ? 2 : 1)} %)`}));
  }
  $('bars').append(element('figure', {}, element('figcaption', {text: title}), list));
  $('judged').hidden = false;
}

function kpi(name, value) {
  $('kpis').append(element('div', {class: 'kpi'}, element('b', {text: value}), element('span', {text: name})));
}

function head() {
  $('title').textContent = data.title;
  const start = data.starts[data.starts.length - 1];
  const facts = [data.source];
  if (start) {
    facts.push(`generator ${start.generator}, seed ${start.seed}, ${start.jobs} workers, parallax ${start.version}`);
    if (start.fault) facts.push(`planted fault ${start.fault}`);
    if (data.starts.length > 1) facts.push(`started ${data.starts.length} times`);
    if (start.unix_seconds > 0) facts.push('last start ' + new Date(start.unix_seconds * 1000).toISOString().slice(0, 16).replace('T', ' ') + ' UTC');
  }
  $('facts').textContent = facts.filter(Boolean).join(' \u00b7 ');
  const remarks = data.remarks.slice();
  if (data.damaged_lines > 0) remarks.push(`${data.damaged_lines} lines of the campaign's log could not be read.`);
  if (data.samples.total > data.samples.seconds.length) remarks.push(`Curves show ${data.samples.seconds.length} of ${data.samples.total} samples.`);
  if (remarks.length > 0) {
    const list = element('ul');
    for (const remark of remarks) list.append(element('li', {text: remark}));
    $('remarks').append(element('section', {}, list));
  }
  const last = data.last;
  if (last) {
    kpi('cases', short(last.cases));
    kpi('running', duration(last.seconds));
    kpi('cases per second, mean', short(last.seconds > 0 ? last.cases / last.seconds : 0));
    kpi('judged', (last.cases > 0 ? (last.agreed + last.findings) / last.cases * 100 : 0).toFixed(1) + ' %');
    if (last.corpus_cases > 0) kpi('corpus', short(last.corpus_cases));
    const memory = data.samples.rss_bytes.filter(n => n > 0).at(-1);  // the last sample may have no workers any more
    if (memory) kpi('memory of workers', mebibytes(memory / 2 ** 20));
  }
  kpi('findings, distinct', whole(data.findings.length));
  kpi('buckets', whole(new Set(data.findings.map(f => f.bucket)).size));
}

function pictures() {
  const s = data.samples;
  if (s.seconds.length > 0) {
    curve('curve-cases', 'Cases', [{name: 'cases', values: s.cases}, {name: 'agreed', values: s.agreed}]);
    curve('curve-speed', 'Cases per second', [{name: 'per second', values: s.per_second}]);
    curve('curve-coverage', 'Coverage', Object.entries(s.coverage).map(([name, values]) => ({name, values})));
    curve('curve-corpus', 'Corpus', [{name: 'cases kept', values: s.corpus_cases}]);
    curve('curve-findings', 'Findings', [{name: 'distinct', values: s.distinct}]);
    curve('curve-memory', 'Memory of all workers', [{name: 'resident', values: s.rss_bytes.map(n => n / 2 ** 20)}], mebibytes);
  }
  const last = data.last;
  if (last) {
    bars('bars-verdicts', 'Verdicts', {agreed: last.agreed, findings: last.findings, inconclusive: last.inconclusive, rejected: last.rejected});
    bars('bars-inconclusive', 'Inconclusive, by reason', last.inconclusive_reasons);
    bars('bars-rejected', 'Rejected, by reason', last.rejected_reasons);
    bars('bars-generators', 'Cases by generator', last.generators);
  }
  const classes = {};
  for (const finding of data.findings) classes[finding.class] = (classes[finding.class] || 0) + 1;
  bars('bars-classes', 'Findings by class', classes);
}

function thumbnail(finding) {
  const box = element('div', {class: 'thumb', 'aria-hidden': 'true'});
  const parsed = new DOMParser().parseFromString(finding.picture, 'image/svg+xml').documentElement;
  if (parsed.nodeName !== 'svg') return null;
  const width = +parsed.getAttribute('width'), marked = parsed.querySelector('rect.row, .differs rect');
  box.append(parsed);
  requestAnimationFrame(() => {
    const scale = Math.max(0.45, Math.min(1, box.clientWidth / width));
    const x = marked ? Math.max(0, +marked.getAttribute('x') - 150) : 0, y = marked ? Math.max(0, +marked.getAttribute('y') - 60) : 0;
    parsed.style.transform = `scale(${scale}) translate(${-x}px, ${-y}px)`;
  });
  return box;
}

function card(bucket) {
  const finding = bucket[0], made = element('article', {class: 'bucket', 'data-bucket': finding.bucket});
  const seen = bucket.reduce((sum, f) => sum + f.occurrences, 0);
  const chips = element('div', {}, element('span', {class: 'chip bad', text: finding.class}), ' ',
                        element('span', {class: 'chip', text: `seen ${whole(seen)} times`}));
  if (finding.fault) chips.append(' ', element('span', {class: 'chip warn', text: `planted ${finding.fault}`}));
  if (finding.route === 'private') chips.append(' ', element('span', {class: 'chip warn', text: 'report privately'}));
  made.append(chips);
  const title = finding.verdict || finding.difference || finding.signature;
  made.append(element('h3', {}, finding.page ? element('a', {href: finding.page, text: title}) : title));
  if (finding.votes.length > 0) {
    const against = finding.votes.filter(v => v > 0).length;
    const strip = element('div', {class: 'votes', role: 'img', 'aria-label': `${against} of ${finding.votes.length} executors disagree with the reference`});
    for (const vote of finding.votes) strip.append(element('i', vote > 0 ? {class: 'other'} : {}));
    made.append(strip);
  }
  const picture = finding.picture ? thumbnail(finding) : null;
  if (picture) made.append(picture);
  made.append(element('div', {class: 'sig soft', text: finding.signature}));
  if (bucket.length > 1) {
    const list = element('ul');
    for (const other of bucket.slice(1)) {
      list.append(element('li', {}, other.page ? element('a', {href: other.page, text: other.id}) : other.id, ` (seen ${other.occurrences})`));
    }
    made.append(element('details', {}, element('summary', {text: `${bucket.length - 1} more in this bucket`}), list));
  }
  return made;
}

function findings() {
  const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean), wanted = $('class').value, order = $('order').value;
  const fits = f => (!wanted || f.class === wanted) &&
    words.every(word => [f.id, f.signature, f.difference, f.origin, f.verdict, f.fault, ...f.executors].join(' ').toLowerCase().includes(word));
  const buckets = new Map();
  for (const finding of data.findings.filter(fits)) {
    if (!buckets.has(finding.bucket)) buckets.set(finding.bucket, []);
    buckets.get(finding.bucket).push(finding);
  }
  const rows = [...buckets.values()];
  for (const row of rows) row.sort((a, b) => b.occurrences - a.occurrences || (a.id < b.id ? -1 : 1));
  const seen = row => row.reduce((sum, f) => sum + f.occurrences, 0);
  const by = {count: (a, b) => seen(b) - seen(a), class: (a, b) => a[0].class < b[0].class ? -1 : a[0].class > b[0].class ? 1 : 0,
              id: (a, b) => a[0].id < b[0].id ? -1 : 1};
  rows.sort((a, b) => by[order](a, b) || by.id(a, b));
  $('buckets').replaceChildren(...rows.map(card));
  $('shown').textContent = data.findings.length === 0 ? 'No findings.' :
    `${rows.length} buckets, ${rows.reduce((sum, row) => sum + row.length, 0)} of ${data.findings.length} findings shown.`;
}

head();
pictures();
for (const name of [...new Set(data.findings.map(f => f.class))].sort()) $('class').append(element('option', {value: name, text: name}));
for (const id of ['search', 'class', 'order']) $(id).addEventListener('input', findings);
findings();
document.body.dataset.ready = 'yes';
)js";

}  // namespace parallax::triage
