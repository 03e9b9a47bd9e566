// What several pages show.
import { h, renew, show, s } from './dom.js';
import { duration, number, time, timeAfter, timeOfDay } from './format.js';

const signs = { allow: '✓', review: '!', block: '✕' };

// mayAct says whether a caller may look and act: the API refuses all others.
export const mayAct = (who) => who.roles.some((role) => role === 'analyst' || role === 'operator');

// badge is a decision: a word, a colour and a sign, so that no colour alone says it.
export const badge = (decision) => h('span', { class: `badge ${decision}` }, h('span', { 'aria-hidden': 'true' }, signs[decision] || '·'), ` ${decision}`);

// address is a link to the page of an IP address. That of an IPv6 network is its first one.
export const address = (ip) => h('a', { href: `/console/address/${encodeURIComponent(ip.split('/')[0])}`, class: 'mono' }, ip);

export const chip = (text) => h('span', { class: 'chip small' }, text);

export const notice = (kind, ...children) => h('p', { class: `notice ${kind}`, role: kind === 'error' ? 'alert' : null }, ...children);

// isAway says that the service, or what it needs, does not answer now.
const isAway = (error) => error.status === 0 || error.status >= 500;

// failed is what a page shows in place of what it could not get. asOf is of when that is which
// the page still shows, if anything.
export function failed(error, asOf) {
  if (error.status === 403 && !error.field) return notice('warn', 'Your role does not allow this.');
  return notice('error', error.field ? `${error.field}: ` : '', error.message, asOf && isAway(error) ? [error.message.endsWith('.') ? '' : '.', ' This page shows what was known at ', time(asOf), '.'] : '');
}

// tell shows a notice, or none. One that says the same stays: it would be spoken again.
export function tell(trouble, said) {
  if (!said || said.textContent !== trouble.textContent) show(trouble, said);
}

// unreachable names the instances that did not answer.
export const unreachable = (names) => (names && names.length ? notice('warn', `Not answering, so their part is missing: ${names.join(', ')}.`) : null);

// bar shows how far a count is on its way to the threshold. The text beside it says the same.
export function bar(count, rule) {
  const most = rule.block_over + 1;
  const at = (n) => `${Math.min(100, (100 * n) / most)}`;
  return s('svg', { class: `bar ${rule.outcome}`, viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
    s('rect', { class: 'rail', width: '100', height: '6' }),
    s('rect', { class: 'fill', width: at(count), height: '6' }),
    rule.review_over ? s('rect', { class: 'tick', x: at(rule.review_over), width: '0.4', height: '6' }) : null,
    s('rect', { class: 'tick', x: at(rule.block_over), width: '0.4', height: '6' }));
}

// clears says when a rule clears: a time of day and how long that is.
export const clears = (seconds) => (seconds > 0 ? ['clears at ', timeAfter(seconds), ` (in ${duration(seconds)})`] : 'clear');

// table is a table of items; update shows items in it.
export function table(caption, heads, key, row) {
  const rows = h('tbody', { role: 'rowgroup' });
  const cells = heads.map((head) => (head instanceof Element ? head : h('th', { scope: 'col', class: head.n ? 'n' : null }, head.n || head)));
  cells.forEach((cell) => cell.setAttribute('role', 'columnheader'));
  const element = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', { role: 'table', 'aria-label': caption }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, cells)), rows));
  // On a narrow screen a row is a block of cells with labels. Roles keep it a table there.
  const make = (item) => {
    const made = row(item);
    made.setAttribute('role', 'row');
    [...made.children].forEach((cell, i) => {
      cell.setAttribute('role', cell.tagName === 'TH' ? 'rowheader' : 'cell');
      cell.dataset.label = cells[i].textContent;
    });
    return made;
  };
  return { element, update: (items) => renew(rows, items, key, make) };
}

// plot is a plot of numbers by minute, newest last, with a table beside it. Series are
// stacked; update shows minutes, each with a time.
export function plot(title, series, unit) {
  const [slots, width, height] = [60, 6, 80];
  const drawing = s('svg', { class: 'plot', viewBox: `0 0 ${slots * width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}, minute by minute; the table below has the numbers` });
  const most = h('span', {});
  const from = h('span', {});
  const to = h('span', {});
  const numbers = table(title, ['Minute', ...series.map(({ label }) => ({ n: label }))], (m) => m.time,
    (m) => h('tr', {}, h('th', { scope: 'row' }, timeOfDay(new Date(m.time))), series.map(({ of }) => h('td', { class: 'n' }, number(of(m))))));
  const element = h('section', { class: 'card' }, h('h2', {}, title),
    h('p', { class: 'legend' }, series.length > 1 ? series.map(({ name, label }) => h('span', { class: `key ${name}` }, label)) : null, most),
    drawing, h('p', { class: 'axis', 'aria-hidden': 'true' }, from, to),
    h('details', {}, h('summary', {}, 'As a table'), numbers.element));
  const update = (minutes) => {
    const sum = (m) => series.reduce((total, { of }) => total + of(m), 0);
    const top = Math.max(0, ...minutes.map(sum));
    const now = minutes.length ? new Date(minutes.at(-1).time).getTime() : 0;
    most.textContent = `at most ${number(top)}${unit ? ` ${unit}` : ''} in a minute`;
    from.textContent = now ? timeOfDay(new Date(now - (slots - 1) * 60000)) : '';
    to.textContent = now ? timeOfDay(new Date(now)) : '';
    show(drawing, minutes.map((m) => {
      const x = (slots - 1 - Math.round((now - new Date(m.time).getTime()) / 60000)) * width;
      let y = height;
      return series.map(({ of, name }) => {
        const tall = top ? (height * of(m)) / top : 0;
        y -= tall;
        return tall ? s('rect', { class: name, x, y, width: width - 1, height: tall }) : null;
      });
    }));
    numbers.update([...minutes].reverse());
  };
  return { element, update };
}

// every calls work now and then again and again, while the page is shown and seen; a call
// that takes longer delays the next. Work that returns false ends it.
export function every(ms, signal, work) {
  let timer;
  const again = async () => {
    if (signal.aborted) return;
    if (!document.hidden && await work() === false) return;
    if (!signal.aborted) timer = setTimeout(again, ms);
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  return again();
}

// asked waits for an answer, and where that takes long says so in trouble, if nothing stands there.
export async function asked(trouble, answer) {
  const late = setTimeout(() => { if (!trouble.firstChild) show(trouble, h('p', { class: 'hint' }, 'Asking …')); }, 400);
  try {
    return await answer;
  } finally {
    clearTimeout(late);
  }
}

// refresh asks again and again, and hands on what is answered; trouble is the element that
// says why there is no answer, and which instances are missing. A refusal that will not
// change ends it.
export function refresh(ms, signal, trouble, ask, update) {
  let first = true;
  let asOf;
  return every(ms, signal, async () => {
    try {
      const answer = await (first ? asked(trouble, ask()) : ask());
      first = false;
      if (signal.aborted) return false;
      asOf = new Date();
      tell(trouble, unreachable(answer.unreachable));
      update(answer);
      return true;
    } catch (error) {
      if (signal.aborted || error.name === 'AbortError') return false;
      tell(trouble, failed(error, asOf));
      return isAway(error) || error.status === 429;
    }
  });
}
