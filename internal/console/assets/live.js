import { get } from './api.js';
import { h, say, show } from './dom.js';
import { feedFilter, filters } from './filters.js';
import { follow } from './feed.js';
import { number, things, time } from './format.js';
import { address, badge, every, failed, notice, table, unreachable } from './parts.js';

const kept = 200; // rows that are shown
const pace = 50; // ms between two changes of the page

export async function live(main, { signal, query, go }) {
  const rows = h('tbody', {});
  const state = h('span', { class: 'state' });
  const counts = h('p', { class: 'counts' });
  const trouble = h('div', {});
  const filter = feedFilter(query);
  const seen = { allow: 0, review: 0, block: 0, missed: 0 };
  let waiting = []; // newest first
  let paused = false;

  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Go on' : 'Pause';
    if (!paused) draw();
  } }, 'Pause');

  show(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Live'), state, pause),
    filters(query, (next) => go('/console', next)), trouble, counts,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Decisions, newest first' },
      h('table', { class: 'live' }, h('caption', { class: 'heard' }, 'Decisions, newest first'),
        h('thead', {}, h('tr', {}, ['Time', 'Decision', 'IP address', 'Why', 'Card', 'Caller'].map((head) => h('th', { scope: 'col' }, head)))), rows)));

  const draw = () => {
    if (paused) {
      pause.textContent = waiting.length ? `Go on (${number(waiting.length)}${waiting.length === kept ? '+' : ''} new)` : 'Go on';
      return;
    }
    const fresh = waiting;
    waiting = [];
    rows.prepend(...fresh.map(row));
    while (rows.childElementCount > kept) rows.lastElementChild.remove();
    show(counts, `Since you came: ${things(seen.block, 'block', 'blocks')}, ${things(seen.review, 'review', 'reviews')}, ${number(seen.allow)} allowed`,
      seen.missed ? `, ${number(seen.missed)} not shown: they came faster than this page can take` : '', '.');
  };
  let planned = false;
  const plan = () => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      if (!signal.aborted) draw();
    }, pace);
  };

  const recent = async () => {
    try {
      const { decisions, unreachable: away } = await get(`/v1/decisions?limit=100${filter.search}`, signal);
      show(trouble, unreachable(away));
      return decisions;
    } catch (error) {
      if (error.name !== 'AbortError') show(trouble, failed(error));
      return [];
    }
  };
  const first = await recent();
  if (signal.aborted) return;
  rows.append(...first.map(row));
  say(first.length ? `${first.length} decisions` : 'No decisions yet');
  if (!first.length) show(counts, 'Nothing was decided yet. The next decision appears here by itself.');

  let polling = false;
  const poll = () => {
    if (polling) return;
    polling = true;
    let last = first[0] && first[0].time;
    every(3000, signal, async () => {
      if (!polling) return;
      const later = (await recent()).filter((d) => !last || d.time > last);
      if (!later.length) return;
      last = later[0].time;
      waiting = [...later, ...waiting].slice(0, kept);
      later.forEach((d) => { seen[d.decision] += 1; });
      plan();
    });
  };

  follow({
    decision(d) {
      if (!filter.takes(d)) return;
      seen[d.decision] += 1 + (d.more || 0);
      waiting.unshift(d);
      if (waiting.length > kept) waiting.length = kept;
      plan();
    },
    dropped({ dropped }) {
      seen.missed += dropped || 0;
      plan();
    },
    state(now) {
      const text = { live: 'live', connecting: 'connecting …', full: 'every 3 seconds' }[now];
      if (state.textContent === text) return;
      state.textContent = text;
      state.className = `state ${now}`;
      say(now === 'live' ? 'Live' : now === 'full' ? 'No live connection is free. This page asks every 3 seconds.' : 'Connecting');
      if (now === 'full') {
        show(trouble, notice('warn', 'No live connection is free; this page asks every 3 seconds.'));
        poll();
      } else if (now === 'live') {
        polling = false;
        show(trouble);
      }
    },
  }, signal);
}

// row is a decision, as a row of a table.
export function row(d) {
  return h('tr', { class: d.decision }, h('td', {}, time(d.time)), h('td', {}, badge(d.decision), d.degraded ? h('span', { class: 'hint', title: 'The shared store did not answer in time' }, ' degraded') : null),
    h('td', {}, d.ip ? address(d.ip) : 'none'), h('td', {}, why(d), d.more ? h('span', { class: 'hint' }, ` and ${number(d.more)} more`) : null),
    h('td', { class: 'mono' }, d.card || ''), h('td', {}, d.caller || ''));
}

// why is what decided: the rules with their counts.
function why(d) {
  return d.reasons.map((name) => {
    const rule = (d.rules || []).find((r) => r.name === name);
    return h('span', { class: 'chip small' }, rule ? `${name} ${rule.count}` : name);
  });
}

// recentOf are the recent decisions about an address, as a table.
export async function recentOf(ip, signal) {
  const { decisions } = await get(`/v1/decisions?limit=20&ip=${encodeURIComponent(ip)}`, signal);
  if (!decisions.length) return h('p', {}, 'None that this service remembers.');
  return table('Recent decisions', ['Time', 'Decision', 'IP address', 'Why', 'Card', 'Caller'], decisions.map(row));
}
