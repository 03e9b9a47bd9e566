// What several pages show.
import { h, show, s } from './dom.js';
import { duration, number, timeAfter } from './format.js';

const signs = { allow: '✓', review: '!', block: '✕' };

// badge is a decision: a word, a colour and a sign, so that no colour alone says it.
export const badge = (decision) => h('span', { class: `badge ${decision}` }, h('span', { 'aria-hidden': 'true' }, signs[decision] || '·'), ` ${decision}`);

// address is a link to the page of an IP address. That of an IPv6 network is its first one.
export const address = (ip) => h('a', { href: `/console/address/${encodeURIComponent(ip.split('/')[0])}`, class: 'mono' }, ip);

export const notice = (kind, ...children) => h('p', { class: `notice ${kind}`, role: kind === 'error' ? 'alert' : null }, ...children);

// failed is what a page shows in place of what it could not get.
export function failed(error) {
  if (error.status === 403) return notice('warn', 'Your role does not allow this.');
  return notice('error', error.message);
}

// unreachable names the instances that did not answer.
export const unreachable = (names) => (names && names.length ? notice('warn', `Not answering, so their part is missing: ${names.join(', ')}.`) : null);

// bar shows how far a count is on its way to the threshold. The text beside it says the same.
export function bar(count, rule) {
  const most = rule.block_over + 1;
  const width = (n) => `${Math.min(100, (100 * n) / most)}`;
  return s('svg', { class: `bar ${rule.outcome}`, viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
    s('rect', { class: 'rail', width: '100', height: '6' }),
    s('rect', { class: 'fill', width: width(count), height: '6' }),
    rule.review_over ? s('rect', { class: 'tick', x: width(rule.review_over), width: '0.5', height: '6' }) : null);
}

// clears says when a rule clears: a time of day and how long that is.
export const clears = (seconds) => (seconds > 0 ? ['clears at ', timeAfter(seconds), ` (in ${duration(seconds)})`] : 'clear');

// table is a table with a caption that is heard and not seen.
export function table(caption, heads, rows) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', { class: 'heard' }, caption),
      h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
      h('tbody', {}, rows)));
}

// plot is a plot of whole numbers by minute, newest last, with a table beside it.
export function plot(title, minutes, series) {
  const height = 80;
  const most = Math.max(1, ...minutes.map((m) => series.reduce((sum, { of }) => sum + of(m), 0)));
  const width = 6;
  const bars = minutes.map((m, i) => {
    let y = height;
    return series.map(({ of, name }) => {
      const tall = (height * of(m)) / most;
      y -= tall;
      return s('rect', { class: name, x: i * width, y, width: width - 1, height: tall });
    });
  });
  const details = h('details', {}, h('summary', {}, 'As a table'),
    table(title, ['Minute', ...series.map(({ label }) => label)], minutes.map((m) => h('tr', {}, h('th', { scope: 'row' }, m.label), series.map(({ of }) => h('td', { class: 'n' }, number(of(m))))))));
  return h('section', { class: 'card' }, h('h2', {}, title),
    h('p', { class: 'legend' }, series.map(({ name, label }) => h('span', { class: `key ${name}` }, label)), h('span', {}, `at most ${number(most)} a minute`)),
    s('svg', { class: 'plot', viewBox: `0 0 ${Math.max(1, minutes.length) * width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}: a bar for each minute` }, bars),
    details);
}

// every calls work now and then again and again, while the page is shown and seen; a call
// that takes longer delays the next.
export function every(ms, signal, work) {
  let timer;
  const again = async () => {
    if (signal.aborted) return;
    if (!document.hidden) await work();
    if (!signal.aborted) timer = setTimeout(again, ms);
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  return again();
}

// load shows what get answers, made by the function, or why there is no answer.
export async function load(element, get, make) {
  try {
    show(element, ...[make(await get())].flat());
    return true;
  } catch (error) {
    if (error.name !== 'AbortError') show(element, failed(error));
    return false;
  }
}
