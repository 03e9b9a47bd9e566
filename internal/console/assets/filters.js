import { h } from './dom.js';

const decisions = ['block', 'review', 'allow'];

// feedFilter is what the page's query asks for: as a part of a query for the API, and as a
// function of a decision for the stream, which several tabs share.
export function feedFilter(query) {
  const wanted = { decision: query.get('decision'), rule: query.get('rule'), ip: query.get('ip') };
  const search = Object.entries(wanted).map(([name, value]) => (value ? `&${name}=${encodeURIComponent(value)}` : '')).join('');
  return {
    search,
    takes: (d) => (!wanted.decision || d.decision === wanted.decision) && (!wanted.rule || d.reasons.includes(wanted.rule)) && (!wanted.ip || d.ip === wanted.ip),
  };
}

// filters are the chips that change the query.
export function filters(query, change) {
  const now = query.get('decision');
  const set = (name, value) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    change(next);
  };
  const chip = (label, on, click) => h('button', { type: 'button', class: 'chip', 'aria-pressed': String(on), onclick: click }, label);
  const others = ['rule', 'ip'].filter((name) => query.get(name)).map((name) => chip(`${name}: ${query.get(name)} ✕`, true, () => set(name, '')));
  return h('div', { class: 'chips', role: 'group', 'aria-label': 'Filters' }, chip('all', !now, () => set('decision', '')),
    decisions.map((d) => chip(d, now === d, () => set('decision', now === d ? '' : d))), others);
}
