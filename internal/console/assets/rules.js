import { get } from './api.js';
import { append, h } from './dom.js';
import { duration, number } from './format.js';
import { refresh, table } from './parts.js';

export async function rules(main, { signal }) {
  const trouble = h('div', { class: 'troubles' });
  const list = table('Rules, with their last hour', ['Rule', 'Counts', 'Limits', 'Mode', { n: 'Allowed' }, { n: 'Reviewed' }, { n: 'Blocked' }, { n: 'Skipped' }], (r) => `${r.name} ${r.mode}`, row);
  list.element.hidden = true;
  append(main, h('p', { class: 'hint' }, 'What each rule said of the checks of the last hour, at the instance that serves this page. One in shadow decides nothing: its numbers say what it would have done. Skipped are checks that lack what the rule watches.'), trouble, list.element);
  await refresh(10000, signal, trouble, () => get('/v1/rules', signal), (answer) => {
    list.update(answer.rules);
    list.element.hidden = false;
  });
}

function row({ last_hour: hour, ...r }) {
  const n = (value, outcome) => h('td', { class: 'n' }, value && outcome ? h('a', { href: `/console?rule=${encodeURIComponent(r.name)}` }, number(value)) : number(value));
  return h('tr', {}, h('th', { scope: 'row', class: 'word' }, r.name), h('td', {}, `${r.count.replace('_', ' ')} per ${r.per}, ${duration(r.window_seconds)}`),
    h('td', {}, r.review_over ? `review over ${r.review_over}, ` : '', `block over ${r.block_over}`, r.hold_seconds ? `, held ${duration(r.hold_seconds)}` : ''),
    h('td', {}, h('span', { class: `chip small ${r.mode}` }, r.mode)), n(hour.allow), n(hour.review, 'review'), n(hour.block, 'block'), n(hour.skipped));
}
