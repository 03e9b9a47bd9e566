import { get } from './api.js';
import { h, show } from './dom.js';
import { time } from './format.js';
import { load, table, unreachable } from './parts.js';

export async function about(main, { signal, who }) {
  const body = h('div', {});
  show(main, h('h1', { tabindex: '-1' }, 'About'), h('p', {}, 'fraudcheck answers one question: how many different cards has this IP address shown lately?'),
    h('p', {}, `You are ${who.name}, with the role ${who.roles.join(', ') || 'none'}.`), h('h2', {}, 'Instances'), body,
    h('h2', {}, 'Licences'), h('p', {}, 'fraudcheck is under the MIT licence. ', h('a', { href: '/console/licences.txt' }, 'The licences of what it is built with')),
    h('h2', {}, 'More'), h('p', {}, h('a', { href: '/openapi.yaml' }, 'The API that this page uses (OpenAPI)'), ', ', h('a', { href: '/metrics' }, 'metrics')));
  await load(body, () => get('/v1/instances', signal), (answer) => [unreachable(answer.unreachable),
    table('Instances', ['Instance', 'Version', 'Since', 'Store', 'Answers'], answer.instances.map((i) => h('tr', {}, h('th', { scope: 'row' }, i.id), h('td', {}, i.version || '–'),
      h('td', {}, i.since ? time(i.since) : '–'), h('td', {}, i.store || '–'), h('td', {}, i.reachable === false ? `no: ${i.reason || 'does not answer'}` : 'yes'))))]);
}
