import { post } from './api.js';
import { h, show } from './dom.js';
import { failed } from './parts.js';

const decisions = ['block', 'review', 'allow'];
const names = ['decision', 'rule', 'ip', 'attempt', 'request_id'];
const sought = new Map(); // what stands for a short id, as it was typed: in no URL, and gone with the tab

// feedFilter is what the page's query asks for: as a part of a query for the API, and as a
// function of a decision for the stream, which several tabs share.
export function feedFilter(query) {
  const wanted = Object.fromEntries(names.map((name) => [name, query.get(name)]));
  const network = wanted.ip && parse(wanted.ip);
  return {
    search: names.map((name) => (wanted[name] ? `&${name}=${encodeURIComponent(wanted[name])}` : '')).join(''),
    takes: (d) => (!wanted.decision || d.decision === wanted.decision)
      && (!wanted.rule || d.reasons.includes(wanted.rule) || d.rules.some((r) => r.name === wanted.rule && r.outcome !== 'allow'))
      && (!wanted.attempt || d.attempt === wanted.attempt)
      && (!wanted.request_id || d.request_id === wanted.request_id)
      && (!network || (d.ip && contains(network, parse(d.ip)))),
  };
}

// parse reads an IP address or a network: its bits, and how many of them count. It takes the
// forms that the API takes: in brackets, with a port, IPv4 inside of IPv6.
function parse(text) {
  const [ip, length] = text.trim().replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^::ffff:(?=\d+\.)/i, '').replace(/^([\d.]+):\d+$/, '$1').split('/');
  let bits = '';
  if (ip.includes(':')) {
    const [before, after] = ip.split('::').map((half) => half.split(':').filter(Boolean));
    const groups = after ? [...before, ...Array(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after] : before;
    bits = groups.map((group) => parseInt(group, 16).toString(2).padStart(16, '0')).join('');
  } else {
    bits = ip.split('.').map((byte) => Number(byte).toString(2).padStart(8, '0')).join('');
  }
  return { bits, length: length === undefined ? bits.length : Number(length) };
}

// contains says whether one network lies in another.
const contains = (network, other) => network.bits.length === other.bits.length && other.bits.startsWith(network.bits.slice(0, network.length));

// filters are the chips that change the query.
export function filters(query, change) {
  const now = query.get('decision');
  const set = (name, value) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    change(next);
  };
  const chip = (label, on, click, said) => h('button', { type: 'button', class: 'chip', 'aria-pressed': said ? null : String(on), 'aria-label': said, onclick: click }, label);
  const others = names.slice(1).filter((name) => query.get(name)).map((name) => {
    const text = `${name}: ${name === 'attempt' && sought.get(query.get(name)) || query.get(name)}`;
    return chip(`${text} ✕`, true, () => set(name, ''), `Remove the filter ${text}`);
  });
  return h('div', { class: 'chips', role: 'group', 'aria-label': 'Filters' }, chip('all', !now, () => set('decision', '')),
    decisions.map((d) => chip(d, now === d, () => set('decision', now === d ? '' : d))), others);
}

// finder asks for an attempt by what the shop calls it. That may be an order's number, so it is
// sent in a request's body, and only the short id that stands for it is part of the query.
export function finder(query, change, signal) {
  const trouble = h('div', { class: 'troubles' });
  const field = h('input', { id: 'attempt', maxlength: '128', required: true, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', 'aria-describedby': 'attempt-hint' });
  const find = async (event) => {
    event.preventDefault();
    show(trouble);
    try {
      const text = field.value.trim();
      const { attempt } = await post('/v1/attempts/read', { attempt_id: text }, signal);
      sought.set(attempt, text);
      const next = new URLSearchParams(query);
      next.set('attempt', attempt);
      change(next);
    } catch (error) {
      if (!signal.aborted) show(trouble, failed(error));
    }
  };
  return h('details', {}, h('summary', {}, 'Find an order …'), h('form', { class: 'card lookup', onsubmit: find },
    h('span', { class: 'field wide' }, h('label', { for: 'attempt' }, 'The attempt_id, as your shop sent it'), field,
      h('span', { class: 'hint', id: 'attempt-hint' }, 'Often it holds the order\'s number. It stands in no URL; a short id does.')),
    h('button', { type: 'submit', class: 'main' }, 'Find')), trouble);
}
