import { get } from './api.js';
import { append, h, show } from './dom.js';
import { percent } from './format.js';
import { address, notice, plot, refresh } from './parts.js';

export async function trends(main, { signal }) {
  const trouble = h('div', { class: 'troubles' });
  const top = h('div', { class: 'troubles' });
  const plots = [
    plot('Decisions', [{ name: 'allow', label: 'allowed', of: (m) => m.allow }, { name: 'review', label: 'reviewed', of: (m) => m.review }, { name: 'block', label: 'blocked', of: (m) => m.block }]),
    plot('Time to a decision that 99 % of checks stay below', [{ name: 'one', label: 'ms', of: (m) => m.p99_ms }], 'ms'),
    plot('Different IP addresses', [{ name: 'one', label: 'IP addresses', of: (m) => m.addresses }]),
    plot('Different cards', [{ name: 'one', label: 'cards', of: (m) => m.cards }]),
    plot('Degraded: decided without the shared store', [{ name: 'review', label: 'degraded', of: (m) => m.degraded }]),
  ];
  const grid = h('div', { class: 'grid' }, plots.map((p) => p.element));
  grid.hidden = true;
  append(main, h('p', { class: 'hint' }, 'The last hour, minute by minute; the last minute is not over.'), trouble, top, grid);
  await refresh(15000, signal, trouble, () => get('/v1/trends', signal), (answer) => {
    const most = answer.top;
    show(top, most ? h('p', {}, 'Of the last ten minutes, ', address(most.ip), ` sent the largest part: ${percent(most.share)} of all checks.`) : null);
    plots.forEach((p) => p.update(answer.minutes));
    grid.hidden = false;
    if (!answer.minutes.length) show(top, notice('warn', 'Nothing is known yet.'));
  });
}
