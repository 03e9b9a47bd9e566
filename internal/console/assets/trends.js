import { get } from './api.js';
import { h, show } from './dom.js';
import { every, load, plot, unreachable } from './parts.js';

const minuteOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

export async function trends(main, { signal }) {
  const body = h('div', { class: 'grid' });
  show(main, h('h1', { tabindex: '-1' }, 'Trends'), h('p', {}, 'The last hour, minute by minute.'), body);
  await every(15000, signal, () => {
    if (body.contains(document.activeElement)) return undefined; // who reads a table is not disturbed
    return load(body, () => get('/v1/trends', signal), (answer) => {
      const minutes = answer.minutes.map((m) => ({ ...m, label: minuteOfDay.format(new Date(m.time)) }));
      return [unreachable(answer.unreachable),
        plot('Decisions', minutes, [
          { name: 'allow', label: 'allowed', of: (m) => m.allow }, { name: 'review', label: 'reviewed', of: (m) => m.review }, { name: 'block', label: 'blocked', of: (m) => m.block }]),
        plot('Degraded', minutes, [{ name: 'review', label: 'degraded', of: (m) => m.degraded }]),
        plot('Different IP addresses', minutes, [{ name: 'one', label: 'IP addresses', of: (m) => m.addresses }]),
        plot('Different cards', minutes, [{ name: 'one', label: 'cards', of: (m) => m.cards }]),
        plot('Slowest of a hundred checks (99 % are quicker), in microseconds', minutes, [{ name: 'one', label: 'p99', of: (m) => Math.round((m.p99_seconds || 0) * 1e6) }])];
    });
  });
}
