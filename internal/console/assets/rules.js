import { get } from './api.js';
import { h, show } from './dom.js';
import { duration, number } from './format.js';
import { every, load, table, unreachable } from './parts.js';

export async function rules(main, { signal }) {
  const body = h('div', {});
  show(main, h('h1', { tabindex: '-1' }, 'Rules'), h('p', {}, 'What each rule found in the last hour. A rule in shadow decides nothing: its numbers say what it would have done.'), body);
  await every(10000, signal, () => load(body, () => get('/v1/rules', signal), (answer) => [unreachable(answer.unreachable),
    table('Rules, with their last hour', ['Rule', 'Question', 'Limits', 'Mode', 'Allowed', 'Reviewed', 'Blocked', 'Skipped'], answer.rules.map(row))]));
}

function row(r) {
  const hour = r.last_hour || {};
  const n = (value) => h('td', { class: 'n' }, value === undefined ? '–' : number(value));
  return h('tr', {}, h('th', { scope: 'row' }, r.name), h('td', {}, `${r.count} per ${r.per} in ${duration(r.window_seconds)}`),
    h('td', {}, r.review_over ? `review over ${r.review_over}, ` : '', `block over ${r.block_over}`),
    h('td', {}, h('span', { class: `chip small ${r.mode}` }, r.mode)), n(hour.allow), n(hour.review), n(hour.block), n(hour.skipped));
}
