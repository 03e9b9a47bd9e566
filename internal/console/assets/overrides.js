import { get } from './api.js';
import { append, h, say } from './dom.js';
import { things, time } from './format.js';
import { address, badge, refresh, table } from './parts.js';

export async function overrides(main, { signal }) {
  const trouble = h('div', { class: 'troubles' });
  const count = h('p', { class: 'counts' });
  const list = table('Overrides in force', ['IP address', 'Decision', 'Until', 'By', 'Reason', 'Since'], (o) => o.subject, row);
  list.element.hidden = true;
  append(main, h('p', { class: 'hint' }, 'An override decides before lists and rules. These are in force: those that the instances set, or met in a check or a look-up.'), trouble, count, list.element);
  let told = false;
  await refresh(5000, signal, trouble, () => get('/v1/overrides', signal), (answer) => {
    list.update(answer.overrides);
    list.element.hidden = !answer.overrides.length;
    count.textContent = answer.overrides.length ? things(answer.overrides.length, 'override', 'overrides') : 'There is none.';
    if (!told) say(count.textContent);
    told = true;
  });
}

function row(o) {
  return h('tr', { class: o.decision }, h('td', {}, address(o.subject)), h('td', {}, badge(o.decision)), h('td', {}, time(o.until)), h('td', { class: 'word' }, o.by),
    h('td', { class: 'word' }, o.reason), h('td', {}, time(o.since)));
}
