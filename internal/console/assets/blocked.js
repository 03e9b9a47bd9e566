import { get } from './api.js';
import { h, say, show } from './dom.js';
import { number, things, time } from './format.js';
import { address, clears, every, failed, unreachable } from './parts.js';

const page = 200; // rows at once

const columns = [
  { name: 'ip', label: 'IP address', of: (b) => b.ip },
  { name: 'reasons', label: 'Why', of: (b) => b.reasons.join(' ') },
  { name: 'first_blocked', label: 'Blocked since', of: (b) => b.first_blocked },
  { name: 'last_tried', label: 'Last tried', of: (b) => b.last_tried },
  { name: 'attempts', label: 'Attempts', of: (b) => b.attempts },
  { name: 'clears_in_seconds', label: 'Until', of: (b) => b.clears_in_seconds },
];

export async function blocked(main, { signal, query, replace }) {
  let all = [];
  let most = page;
  let order = columns.find((c) => c.name === query.get('sort')) || columns[3];
  let descending = query.get('order') !== 'ascending';
  const rows = h('tbody', {});
  const count = h('p', { class: 'counts' });
  const trouble = h('div', {});
  const more = h('button', { type: 'button', onclick: () => { most += page; draw(); } }, 'Show more');
  const search = h('input', { id: 'search', type: 'search', placeholder: 'IP address or rule', autocomplete: 'off', spellcheck: 'false', value: query.get('search') || '', oninput: () => { most = page; note(); draw(); } });
  const heads = columns.map((c) => h('th', { scope: 'col' }, h('button', { type: 'button', class: 'sort', onclick: () => {
    descending = order === c ? !descending : true;
    order = c;
    note();
    draw();
    say(`Sorted by ${c.label}, ${descending ? 'descending' : 'ascending'}`);
  } }, c.label)));

  show(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Blocked now'), h('label', { for: 'search', class: 'heard' }, 'Search'), search), trouble, count,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Blocked IP addresses' },
      h('table', {}, h('caption', { class: 'heard' }, 'Blocked IP addresses'), h('thead', {}, h('tr', {}, heads)), rows)), more);

  // note keeps search and order in the page's own URL, so that it can be sent to a colleague.
  const note = () => {
    const next = new URLSearchParams();
    if (search.value) next.set('search', search.value);
    if (order !== columns[3]) next.set('sort', order.name);
    if (!descending) next.set('order', 'ascending');
    replace('/console/blocked', next);
  };

  const draw = () => {
    const words = search.value.trim().toLowerCase();
    const found = words ? all.filter((b) => `${b.ip} ${b.reasons.join(' ')}`.toLowerCase().includes(words)) : [...all];
    found.sort((a, b) => {
      const [x, y] = [order.of(a), order.of(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
    });
    heads.forEach((head, i) => head.setAttribute('aria-sort', columns[i] !== order ? 'none' : descending ? 'descending' : 'ascending'));
    show(rows, found.slice(0, most).map((b) => h('tr', {}, h('td', {}, address(b.ip)), h('td', {}, b.reasons.map((r) => h('span', { class: 'chip small' }, r))),
      h('td', {}, time(b.first_blocked)), h('td', {}, time(b.last_tried)), h('td', { class: 'n' }, number(b.attempts)), h('td', {}, clears(b.clears_in_seconds)))));
    more.hidden = found.length <= most;
    const text = all.length === 0 ? 'Nobody is blocked.' : words ? `${number(found.length)} of ${things(all.length, 'address', 'addresses')}` : things(all.length, 'address', 'addresses');
    if (count.textContent !== text) count.textContent = text;
  };

  let told = false;
  await every(5000, signal, async () => {
    try {
      const answer = await get('/v1/blocked', signal);
      all = answer.blocked;
      show(trouble, unreachable(answer.unreachable));
      if (!rows.contains(document.activeElement)) draw(); // what has the focus stays
      if (!told) say(count.textContent);
      told = true;
    } catch (error) {
      if (error.name !== 'AbortError') show(trouble, failed(error));
    }
  });
}
