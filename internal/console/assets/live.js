import { get } from './api.js';
import { append, h, say, show } from './dom.js';
import { feedFilter, filters, finder } from './filters.js';
import { follow } from './feed.js';
import { number, things, time } from './format.js';
import { address, asked, badge, chip, every, failed, notice, table, tell, unreachable } from './parts.js';

const kept = 200; // rows that are shown
const newest = 50; // decisions that are asked for in a flood
const pace = 50; // ms between two changes of the page

const heads = ['Time', 'Decision', 'IP address', 'Why', 'Card', 'Caller'];

export async function live(main, { signal, query, go }) {
  const state = h('span', { class: 'state' });
  const counts = h('p', { class: 'counts' });
  const trouble = h('div', { class: 'troubles' });
  const noStream = h('div', { class: 'troubles' });
  const list = table('Decisions, newest first', heads, id, row);
  const filter = (next) => go('/console', next, '.chips');
  const wanted = feedFilter(query);
  const seen = { allow: 0, review: 0, block: 0 };
  const sought = query.get('attempt') || query.get('request_id'); // then there are few
  let flooded = false; // then those that are seen are not all
  let asOf; // when it was last known that the list is whole
  let known = []; // newest first
  let ids = new Set();
  let fresh = 0; // while paused
  let paused = false;

  const pause = h('button', { type: 'button', onclick: () => {
    paused = !paused;
    fresh = 0;
    label();
    say(paused ? 'Paused' : 'Going on');
    if (!paused) draw();
  } });
  const label = () => { pause.textContent = !paused ? 'Pause' : fresh ? `Go on (${number(fresh)} new)` : 'Go on'; };
  label();

  show(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Live'), state, pause),
    h('div', { class: 'head' }, filters(query, filter), finder(query, filter, signal)), trouble, noStream, counts, list.element);

  const total = () => {
    if (!known.length) return 'Nothing of this kind was decided lately. The next decision appears here by itself.';
    if (sought) return `${things(known.length, 'decision', 'decisions')} found. The next one appears here by itself.`;
    const sum = `${number(seen.block)} blocked, ${number(seen.review)} reviewed, ${number(seen.allow)} allowed`;
    if (flooded) return `Of those shown since you came: ${sum}. More came than can be shown; Trends counts them all.`;
    return seen.block + seen.review + seen.allow ? `Since you came: ${sum}.` : 'None since you came: these were before.';
  };
  const draw = () => {
    label();
    if (paused) return;
    list.update(known);
    list.element.hidden = !known.length;
    counts.textContent = total();
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

  // take adds decisions, newest first, that are not there yet.
  const take = (decisions, counted) => {
    const later = decisions.filter((d) => !ids.has(id(d)));
    if (!later.length) return;
    known = [...later, ...known];
    if (later.length > 1) known.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
    known.length = Math.min(known.length, kept);
    later.forEach((d) => ids.add(id(d)));
    if (ids.size > 20 * kept) ids = new Set(known.map(id));
    if (counted) later.forEach((d) => { seen[d.decision] += 1 + (d.more || 0); });
    if (paused) fresh += later.length;
    plan();
  };

  const ask = async (limit, counted) => {
    try {
      const answer = await get(`/v1/decisions?limit=${limit}${wanted.search}`, signal);
      asOf = new Date();
      tell(trouble, unreachable(answer.unreachable));
      noStream.hidden = false;
      take(answer.decisions, counted);
      return true;
    } catch (error) {
      if (error.name === 'AbortError') return false;
      tell(trouble, failed(error, asOf));
      noStream.hidden = true; // that nothing is answered is said once
      return error.status === 0 || error.status >= 500;
    }
  };
  const able = await asked(trouble, ask(100, false));
  if (signal.aborted) return;
  draw();
  say(known.length ? `${things(known.length, 'decision', 'decisions')}, the newest first` : 'No decisions yet');
  if (!able) return;

  let now = '';
  let turn = 0;
  every(1000, signal, () => {
    turn += 1;
    if (now === 'fast' && turn % 2 === 0) return ask(newest, true);
    return now === 'polling' && turn % 3 === 0 ? ask(100, true) : true;
  });
  follow({
    decision: (d) => { if (wanted.takes(d)) take([d], true); },
    dropped() {
      flooded = true;
      plan();
    },
    unreachable({ unreachable: away }) { tell(trouble, unreachable(away)); },
    async state({ name, why, heardAt }) {
      if (name === now || (name === 'connecting' && now !== 'live')) return;
      if (now === 'live') asOf = heardAt || new Date();
      const first = !now;
      now = name;
      if (name === 'fast') {
        flooded = true;
        plan();
      }
      const { short, long } = states(why)[name];
      state.textContent = short;
      state.className = `state ${name}`;
      show(noStream);
      // What was missed meanwhile comes, and a stream that is back takes away that nothing is answered.
      if (name !== 'connecting' && (long || !first)) await ask(name === 'fast' ? newest : 100, true);
      if (signal.aborted || now !== name) return;
      show(noStream, long ? notice('warn', long) : null);
      if (!noStream.hidden) say(long || short);
    },
  }, known[0] && known[0].time, signal);
}

const states = (why) => ({
  connecting: { short: 'connecting …' },
  live: { short: 'live' },
  polling: { short: 'every 3 seconds', long: `There is no live connection${why ? ` (${why})` : ''}. This page asks every 3 seconds.` },
  fast: { short: 'every 2 seconds', long: `Decisions come faster than a page can show them. This one asks for the newest ${newest} every 2 seconds; Trends has the numbers.` },
});

// id tells decisions apart.
const id = (d) => `${d.time} ${d.instance} ${d.attempt} ${d.card} ${d.request_id}`;

// row is a decision, as a row of a table; ofOne: where all are about one IP address.
function row(d, ofOne) {
  return h('tr', { class: d.decision }, h('td', {}, time(d.time)), h('td', {}, badge(d.decision), d.degraded ? h('span', { class: 'hint', title: 'The shared store did not answer in time' }, ' degraded') : null),
    ofOne ? null : h('td', {}, d.ip ? address(d.ip) : h('span', { class: 'hint' }, 'none sent')), h('td', {}, why(d), d.more ? h('span', { class: 'hint' }, ` and ${number(d.more)} more`) : null),
    h('td', { class: 'mono' }, d.card || ''), h('td', { class: 'word' }, d.caller || ''));
}

// why is what decided: the rules with their counts; where a rule in shadow would have decided
// otherwise, that too.
function why(d) {
  return [d.reasons.map((name) => {
    const rule = d.rules.find((r) => r.name === name);
    return chip(rule ? `${name} ${number(rule.count)}` : name);
  }), d.rules.filter((r) => r.mode === 'shadow' && r.outcome !== 'allow').map((r) => h('span', { class: 'chip small shadow', title: 'In shadow: it decides nothing' }, `${r.name} ${number(r.count)} would ${r.outcome}`))];
}

// recent shows the last decisions about an IP address, or a network that counts as one; update
// asks again.
export function recent(signal) {
  const body = h('div', { class: 'troubles' });
  const list = h('div', { class: 'troubles' });
  const none = h('p', { class: 'hint' }, 'None that is remembered.');
  const element = h('section', { class: 'group' }, h('h2', {}, 'Recent decisions'), body, none, list);
  let rows = null;
  const update = async (subject) => {
    try {
      const { decisions, unreachable: away } = await get(`/v1/decisions?limit=12&ip=${encodeURIComponent(subject)}`, signal);
      tell(body, unreachable(away));
      if (!rows) {
        rows = subject.includes('/') ? table('Recent decisions', heads, id, row) : table('Recent decisions', heads.filter((head) => head !== 'IP address'), id, (d) => row(d, true));
        append(list, rows.element);
      }
      rows.update(decisions);
      rows.element.hidden = !decisions.length;
      none.hidden = decisions.length > 0;
    } catch (error) {
      // Without any answer the page has none about the IP address either, and says so.
      if (error.name !== 'AbortError' && error.status !== 0) tell(body, failed(error));
    }
  };
  return { element, update };
}
