import { get } from './api.js';
import { append, h, say } from './dom.js';
import { duration, number, things, time, timeAfter } from './format.js';
import { address, chip, notice, refresh, table } from './parts.js';

const page = 200; // rows at once
const most = 5000; // that are asked for

const columns = [
  { name: 'ip', label: 'IP address', of: (b) => b.ip },
  { name: 'reasons', label: 'Why', of: (b) => b.reasons.join(' ') },
  { name: 'first_blocked', label: 'Blocked since', of: (b) => b.first_blocked },
  { name: 'last_tried', label: 'Last tried', of: (b) => b.last_tried },
  { name: 'attempts', label: 'Attempts', of: (b) => b.attempts },
  { name: 'clears_in_seconds', label: 'All clear', of: (b) => (b.clears_in_seconds === null ? Infinity : b.clears_in_seconds) },
];
const byTime = columns[3];
const inOrder = new Intl.Collator(undefined, { numeric: true });
const compare = (x, y) => (typeof x === 'string' ? inOrder.compare(x, y) : x < y ? -1 : x > y ? 1 : 0);

export async function blocked(main, { signal, query, replace }) {
  let all = [];
  let shown = page;
  let order = columns.find((c) => c.name === query.get('sort')) || byTime;
  let descending = query.get('order') !== 'ascending';
  const count = h('p', { class: 'counts' });
  const trouble = h('div', { class: 'troubles' });
  const partly = notice('warn', '');
  const more = h('button', { type: 'button', onclick: () => { shown += page; draw(); } }, 'Show more');
  const search = h('input', { id: 'search', type: 'search', placeholder: 'IP address or rule', autocomplete: 'off', spellcheck: 'false', value: query.get('search') || '', oninput: () => { shown = page; note(); draw(); say(count.textContent); } });
  const heads = columns.map((c) => h('th', { scope: 'col', class: c.name === 'attempts' ? 'n' : null }, h('button', { type: 'button', class: 'sort', onclick: () => {
    descending = order === c ? !descending : true;
    order = c;
    note();
    draw();
    say(`Sorted by ${c.label}, ${descending ? 'descending' : 'ascending'}`);
  } }, c.label)));
  const list = table('Blocked IP addresses', heads, (b) => b.ip, row);

  append(main, h('p', { class: 'hint' }, 'When all is clear, a card that was shown is allowed again, if nothing more is shown. The block may end before, with reviews until then: the page of the IP address says when.'),
    h('div', { class: 'troubles' }, trouble, partly), h('div', { class: 'head' }, h('label', { for: 'search', class: 'heard' }, 'Search'), search, count), list.element, more);
  partly.hidden = true;
  list.element.hidden = true;
  more.hidden = true;

  // note keeps search and order in the page's own URL, so that it can be sent to a colleague.
  const note = () => {
    const next = new URLSearchParams();
    if (search.value) next.set('search', search.value);
    if (order !== byTime) next.set('sort', order.name);
    if (!descending) next.set('order', 'ascending');
    replace('/console/blocked', next);
  };

  const draw = () => {
    const words = search.value.trim().toLowerCase();
    const found = words ? all.filter((b) => `${b.ip} ${b.reasons.join(' ')}`.toLowerCase().includes(words)) : [...all];
    found.sort((a, b) => compare(order.of(a), order.of(b)) * (descending ? -1 : 1));
    heads.forEach((head, i) => head.setAttribute('aria-sort', columns[i] !== order ? 'none' : descending ? 'descending' : 'ascending'));
    list.update(found.slice(0, shown));
    list.element.hidden = !found.length;
    more.hidden = found.length <= shown;
    const of = things(all.length, 'IP address', 'IP addresses');
    count.textContent = all.length === 0 ? 'Nobody is blocked and still trying.' : words ? `${number(found.length)} of ${of}` : of;
  };

  let told = false;
  await refresh(5000, signal, trouble, () => get(`/v1/blocked?limit=${most}`, signal), (answer) => {
    all = answer.blocked;
    const why = [all.length === most ? `These are the ${number(most)} that tried last; look up any other by its IP address.` : '',
      answer.left_out ? `${number(answer.left_out)} more are not listed: the shared store is too slow for all.` : '',
      answer.degraded ? 'The shared store did not answer for some: they are blocked as far as is known here.' : ''].filter(Boolean).join(' ');
    if (partly.textContent !== why) partly.textContent = why;
    partly.hidden = !why;
    draw();
    if (!told) say(count.textContent);
    told = true;
  });
}

function row(b) {
  return h('tr', {}, h('td', {}, address(b.ip)), h('td', {}, b.reasons.map(chip)), h('td', {}, time(b.first_blocked)), h('td', {}, time(b.last_tried)),
    h('td', { class: 'n' }, number(b.attempts)), h('td', {}, b.clears_in_seconds === null ? 'no end' : [timeAfter(b.clears_in_seconds), b.clears_in_seconds < 2 * 86400 ? h('span', { class: 'hint' }, ` in ${duration(b.clears_in_seconds)}`) : null]));
}
