import { get } from './api.js';
import { append, h } from './dom.js';
import { time } from './format.js';
import { notice, refresh, table } from './parts.js';

export async function about(main, { signal, who }) {
  const trouble = h('div', { class: 'troubles' });
  const list = table('Instances', ['Instance', 'Answers', 'Version', 'Since', 'Store', 'Rules', 'Lists', 'Hash key'], (i) => `${i.id} ${i.peer}`, row);
  const differ = notice('warn', '');
  list.element.hidden = true;
  differ.hidden = true;
  append(main, h('p', {}, 'fraudcheck answers one question: how many different cards has this IP address shown lately?'),
    h('p', {}, 'You are ', h('strong', {}, who.name), who.roles.length ? `, with the role ${who.roles.join(', ')}.` : ', without a role.'),
    h('h2', {}, 'Instances'), who.roles.includes('operator') ? null : h('p', {}, 'Operators see here which instances there are, and their versions.'), trouble, differ, list.element,
    h('h2', {}, 'More'), h('ul', { class: 'plain' },
      h('li', {}, h('a', { href: '/console/licences.txt' }, 'Licences'), ' of fraudcheck and of what it is built with'),
      h('li', {}, h('a', { href: '/openapi.yaml' }, 'The API'), ' that these pages use, in OpenAPI')));
  if (!who.roles.includes('operator')) return;
  await refresh(15000, signal, trouble, () => get('/v1/instances', signal), (answer) => {
    const alive = answer.instances.filter((i) => i.reachable);
    const unlike = ['version', 'rules', 'lists', 'hash_key'].filter((what) => new Set(alive.map((i) => i[what])).size > 1);
    differ.textContent = `They differ in: ${unlike.map((what) => what.replace('_', ' ')).join(', ')}.`;
    differ.hidden = !unlike.length;
    list.update(answer.instances.map(({ time: now, ...i }) => i));
    list.element.hidden = false;
  });
}

function row(i) {
  const mono = (text) => h('td', { class: 'mono' }, text || '–');
  return h('tr', {}, h('th', { scope: 'row', class: 'word' }, i.id || i.peer, i.peer ? null : ' (this one)'), h('td', {}, i.reachable ? 'yes' : `no: ${i.why}`), h('td', {}, i.version || '–'),
    h('td', {}, i.since ? time(i.since) : '–'), h('td', {}, i.store || '–'), mono(i.rules), mono(i.lists), mono(i.hash_key));
}
