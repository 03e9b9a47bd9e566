import { get, post, put, remove } from './api.js';
import { h, say, show } from './dom.js';
import { duration, number, time, timeAfter } from './format.js';
import { recentOf } from './live.js';
import { badge, bar, clears, every, failed, notice } from './parts.js';

const may = (who) => who.roles.some((role) => role === 'analyst' || role === 'operator');

// address is the page of one IP address: whether it is blocked, why, until when, what else
// would block it, and letting it go.
export async function address(main, context) {
  const { ip, signal, who } = context;
  const path = `/v1/addresses/${encodeURIComponent(ip)}`;
  const verdict = h('div', { 'aria-live': 'polite' });
  const done = h('div', { 'aria-live': 'polite' });
  const details = h('div', {});
  const recent = h('section', { class: 'card' });
  const actions = h('div', {});
  show(main, h('h1', { tabindex: '-1', class: 'mono' }, ip), verdict, done, actions, details, recent);

  const read = async () => {
    try {
      const report = await get(path, signal);
      show(verdict, headline(report));
      if (!details.contains(document.activeElement)) show(details, describe(report));
      return report;
    } catch (error) {
      if (error.name !== 'AbortError') show(verdict, failed(error));
      return null;
    }
  };
  const readRecent = async () => {
    try {
      const rows = await recentOf(ip, signal);
      if (!recent.contains(document.activeElement)) show(recent, h('h2', {}, 'Recent decisions'), rows);
    } catch (error) {
      if (error.name !== 'AbortError') show(recent, h('h2', {}, 'Recent decisions'), failed(error));
    }
  };
  // act makes a change, says what came of it, and shows what is known then.
  const act = async (change, text) => {
    try {
      const answer = await change();
      const left = answer.still_blocked_by || [];
      const others = answer.depends_on || [];
      show(done, notice(left.length ? 'warn' : 'ok', `${text} `, left.length ? `Still blocked by: ${left.join(', ')}. ` : '',
        others.length ? `Its card, e-mail or the like may still be blocked by: ${others.join(', ')}.` : ''));
    } catch (error) {
      show(done, failed(error));
    }
    await Promise.all([read(), readRecent()]);
  };

  await Promise.all([read(), readRecent()]);
  if (signal.aborted) return;
  if (may(who)) {
    show(actions, forms(ip, who, act, {
      forget: () => remove(path),
      override: (body) => put(`${path}/override`, body),
      end: () => remove(`${path}/override`),
    }));
  }
  every(2000, signal, () => Promise.all([read(), readRecent()]));
}

function headline(report) {
  const { known_card: known, new_card: fresh } = report.next;
  const strictest = { allow: 0, review: 1, block: 2 };
  const worst = strictest[known] > strictest[fresh] ? known : fresh;
  const wait = Math.max(0, ...report.rules.filter((r) => r.mode === 'enforce' && r.outcome === worst).map((r) => r.clears_in_seconds));
  const words = {
    block: known === 'block' ? 'Blocked.' : 'Another card would be blocked.',
    review: known === 'review' ? 'Reviewed.' : 'Another card would be reviewed.',
    allow: 'Allowed.',
  }[worst];
  const until = report.override && worst !== 'allow' ? ['Until ', time(report.override.until), ', by an override.']
    : worst !== 'allow' && report.list ? ['By a list of the configuration.']
      : worst !== 'allow' && wait > 0 ? ['Until ', timeAfter(wait), `, in ${duration(wait)}, if nothing more is shown.`] : [];
  return h('p', { class: `verdict ${worst}` }, badge(worst), ' ', h('strong', {}, words), ' ', until,
    report.degraded ? h('span', { class: 'hint' }, ' The shared store does not answer: this is what this instance knows.') : null);
}

function describe(report) {
  return [
    report.override ? h('section', { class: 'card' }, h('h2', {}, 'Override'), h('p', {}, badge(report.override.decision), ' by ', h('strong', {}, report.override.by),
      ', since ', time(report.override.since), ', until ', time(report.override.until)), h('p', {}, 'Reason: ', h('q', {}, report.override.reason))) : null,
    report.list ? h('section', { class: 'card' }, h('h2', {}, 'List of the configuration'), h('p', {}, badge(report.list.decision), ' ', h('span', { class: 'mono' }, report.list.net),
      report.list.until ? [', until ', time(report.list.until)] : '', report.list.note ? [', ', h('q', {}, report.list.note)] : '')) : null,
    report.watched === false ? notice('warn', 'No rule watches such subjects, so nothing is known of any.') : null,
    report.rules.map(ruleCard),
  ];
}

function ruleCard(r) {
  const over = r.count > r.block_over;
  return h('section', { class: 'card rule' }, h('h2', {}, r.name, ' ', badge(r.outcome), r.mode === 'shadow' ? h('span', { class: 'chip small' }, 'shadow: decides nothing') : null),
    h('p', {}, h('strong', {}, `${over ? 'at least ' : ''}${number(r.count)}`), ` within ${duration(r.window_seconds)}; `, r.review_over ? `review over ${r.review_over}, ` : '', `block over ${r.block_over}; `, clears(r.clears_in_seconds)),
    bar(r.count, r),
    r.held ? h('p', { class: 'hint' }, 'Held: it was over the limit a while ago, and stays blocked for some time.') : null,
    r.suspect_subject ? notice('warn', 'This address is hardly a shopper\'s: a private one, or a proxy\'s. So it is reviewed and not blocked.') : null,
    r.elements && r.elements.length ? h('details', {}, h('summary', {}, `What it counts (${number(r.elements.length)})`),
      h('ul', { class: 'elements' }, r.elements.map((e) => h('li', {}, h('span', { class: 'mono' }, e.id), ` ${duration(e.age_seconds)} ago`)))) : null);
}

// forms are what may be done: let go, and override.
function forms(ip, who, act, to) {
  const reason = h('input', { id: 'reason', maxlength: '200', required: true, autocomplete: 'off' });
  const decision = h('select', { id: 'decision' }, h('option', { value: 'allow' }, 'allow'), h('option', { value: 'block' }, 'block'));
  const lasts = h('select', { id: 'for' }, [['1h', 'an hour'], ['24h', 'a day'], ...(who.roles.includes('operator') ? [['168h', 'a week'], ['720h', '30 days']] : [])].map(([value, label]) => h('option', { value }, label)));
  const submit = async (event) => {
    event.preventDefault();
    await act(() => to.override({ decision: decision.value, for: lasts.value, reason: reason.value }), 'The override is in force at every instance.');
    reason.value = '';
  };
  return h('div', { class: 'actions' },
    h('button', { type: 'button', class: 'main', onclick: () => act(to.forget, 'What was counted is forgotten, at every instance.') }, 'Let go'),
    h('details', {}, h('summary', {}, 'Override'),
      h('form', { class: 'override', onsubmit: submit },
        h('label', { for: 'decision' }, 'Decision'), decision, h('label', { for: 'for' }, 'For'), lasts,
        h('label', { for: 'reason' }, 'Reason (stands in the log; no names, no card)'), reason,
        h('button', { type: 'submit' }, 'Set the override'),
        h('button', { type: 'button', onclick: () => act(to.end, 'The override is removed.') }, 'Remove the override'))));
}

// other is the page of a subject that is no address. Its value stands in no URL.
export async function other(main, { who, signal }) {
  const result = h('div', { 'aria-live': 'polite' });
  const kinds = ['card', 'email', 'device', 'cart', 'account'];
  const kind = h('select', { id: 'per', onchange: () => shape() }, kinds.map((k) => h('option', { value: k }, k)));
  const fields = h('div', { class: 'fields' });
  let inputs = {};
  const input = (name, label, hint) => {
    inputs[name] = h('input', { id: name, name, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' });
    return [h('label', { for: name }, label), inputs[name], hint ? h('p', { class: 'hint' }, hint) : null];
  };
  const shape = () => {
    inputs = {};
    show(fields, kind.value === 'card' ? [input('card_id', 'The provider\'s fingerprint (card_id)'), input('last4', 'or last four digits'), input('expiry', 'and expiry, as in 12/30')] : input('value', `The ${kind.value}`));
  };
  const named = () => ({ per: kind.value, ...Object.fromEntries(Object.entries(inputs).filter(([, i]) => i.value).map(([name, i]) => [name, i.value])) });
  const read = async () => {
    try {
      const report = await post('/v1/subjects/read', named());
      if (signal.aborted) return;
      show(result, headline(report), describe(report), may(who) ? h('div', { class: 'actions' }, h('button', { type: 'button', class: 'main', onclick: forget }, 'Let go')) : null);
    } catch (error) {
      show(result, failed(error));
    }
  };
  const forget = async () => {
    try {
      const { still_blocked_by: left } = await post('/v1/subjects/forget', named());
      await read();
      say(left.length ? `Forgotten; still blocked by ${left.join(', ')}` : 'Forgotten');
      result.prepend(notice(left.length ? 'warn' : 'ok', 'What was counted is forgotten, at every instance.', left.length ? ` Still blocked by: ${left.join(', ')}.` : ''));
    } catch (error) {
      show(result, failed(error));
    }
  };
  shape();
  show(main, h('h1', { tabindex: '-1' }, 'Another subject'), h('p', {}, 'A card, an e-mail address or the like. What you type is sent in the body of a request, and stands in no URL and no log.'),
    h('form', { class: 'card lookup', onsubmit: (event) => { event.preventDefault(); read(); } }, h('label', { for: 'per' }, 'What'), kind, fields, h('button', { class: 'main', type: 'submit' }, 'Look up')), result);
}
