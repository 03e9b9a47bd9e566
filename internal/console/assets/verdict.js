// What is known of a subject: the verdict in one sentence, and each rule with what it counts.
import { h, renew, show } from './dom.js';
import { duration, number, things, time, timeAfter } from './format.js';
import { badge, bar, chip, clears, notice } from './parts.js';

const strictness = { allow: 0, review: 1, block: 2 };
const done = { allow: 'Allowed', review: 'Reviewed', block: 'Blocked' };

// secondsTo is after how many seconds a rule counts at most so many, if nothing more is shown;
// null where the report does not tell. It tells when review_over is reached: until then one
// element after the other is left behind, or, where they stay together, all at once.
function secondsTo(most, r) {
  const { elements = [], window_seconds: lasts, clears_in_seconds: clear, review_over: first, block_over: last } = r;
  const from = first || last;
  if (most < from) return null;
  if (most === from || r.held || !elements[most]) return clear;
  const together = clear - (lasts - elements[from].age_seconds) > 1;
  return together ? clear : Math.max(clear - (elements[most].age_seconds - elements[from].age_seconds), 0);
}

const longest = (all) => (all.some((n) => n === null) ? null : Math.max(...all));
const named = (rules) => ` by ${rules.map((r) => r.name).join(' and ')}`;
const until = (seconds) => (seconds > 0 ? [', until ', timeAfter(seconds), ` (${duration(seconds)}) if nothing more is shown`] : null);

// verdict is the sentence: what the subject would hear now, why, and until when. short is
// that without the times, which change all the time.
function verdict(report) {
  const { known_card: known, new_card: fresh } = report.next;
  const worst = strictness[known] > strictness[fresh] ? known : fresh;
  const enforced = report.rules.filter((r) => r.mode === 'enforce');
  let words = known === fresh ? done[worst] : `${done[fresh]} with another card, ${done[known].toLowerCase()} with those it has shown`;
  let by = '';
  let end = null;
  let rest = '';
  if (report.override) {
    by = ` by an override of ${report.override.by}`;
    end = [', until ', time(report.override.until)];
  } else if (report.list) {
    by = ' by a list of the configuration';
    end = report.list.until ? [', until ', time(report.list.until)] : null;
  } else if (strictness[known] < strictness[fresh]) {
    const limit = fresh === 'block' ? 'block_over' : 'review_over';
    const rules = enforced.filter((r) => r[limit] && r.count >= r[limit]);
    words = `Another card would be ${done[fresh].toLowerCase()}`;
    by = rules.length ? named(rules) : '';
    end = rules.length ? until(longest(rules.map((r) => secondsTo(r[limit] - 1, r)))) : null;
    rest = `; those it has shown are ${done[known].toLowerCase()}`;
  } else if (worst !== 'allow') {
    const rules = enforced.filter((r) => r.outcome === worst);
    const stops = longest(rules.map((r) => (worst === 'block' ? secondsTo(r.block_over, r) : r.clears_in_seconds)));
    const clear = longest(rules.map((r) => r.clears_in_seconds));
    by = rules.length ? named(rules) : '';
    end = rules.length ? until(stops) : null;
    if (stops > 0 && clear > stops + 1) rest = ['; cards it has shown are then reviewed until ', timeAfter(clear)];
  } else if (report.rules.every((r) => r.count === 0)) {
    by = ', nothing is counted';
  }
  return { worst, short: `${words}${by}.`, words: [h('strong', {}, words), by, end, rest, '.'] };
}

// report makes what shows reports about one subject. update shows a report, and returns the
// sentence where that is another one than before.
export function reportView() {
  const sentence = h('p', { class: 'verdict' });
  const cautions = h('div', { class: 'troubles' });
  const decided = h('div', { class: 'troubles' });
  const rules = h('div', { class: 'grid' });
  let said = '';
  const update = (report) => {
    const { worst, short, words } = verdict(report);
    sentence.className = `verdict ${worst}`;
    const now = h('span', {}, badge(worst), ' ', words);
    if (now.textContent !== sentence.textContent) show(sentence, now); // what is selected stays so
    renew(cautions, warnings(report), ({ kind }) => kind, shown);
    renew(decided, deciders(report), ({ kind }) => kind, shown);
    renew(rules, report.rules, (r) => r.name, ruleCard);
    if (short === said) return '';
    said = short;
    return short;
  };
  return { sentence, cautions, details: [decided, rules], update };
}

// warnings are what makes a report less than the truth.
function warnings(report) {
  return [
    report.degraded && { kind: 'degraded' },
    report.watched === false && { kind: 'unwatched' },
    report.suspect && { kind: 'suspect', why: report.suspect },
  ].filter(Boolean);
}

// deciders are what decides before the rules.
function deciders(report) {
  return [
    report.override && { kind: 'override', ...report.override },
    report.list && { kind: 'list', ...report.list },
  ].filter(Boolean);
}

const suspects = {
  network: 'it is in a network that the configuration names as one of proxies', connection: 'it is the other end of a connection over which checks come', carrier_nat: 'it is one of a carrier, for many',
};

const shownAs = {
  degraded: () => notice('warn', 'The shared store does not answer. This is what this instance knows.'),
  unwatched: () => notice('warn', 'No rule watches such subjects, so nothing is known of any.'),
  suspect: ({ why }) => notice('warn', `This is hardly a shopper's IP address: ${suspects[why] || `it is ${why.replace('_', ' ')}`}. Rules on it review and do not block.`),
  override: (o) => h('section', { class: 'card' }, h('h2', {}, 'Override: ', badge(o.decision)),
    h('p', {}, 'by ', h('strong', {}, o.by), ', since ', time(o.since), ', until ', time(o.until), '. Lists and rules do not decide.'), h('p', {}, 'Reason: ', h('q', {}, o.reason))),
  list: (l) => h('section', { class: 'card' }, h('h2', {}, 'List of the configuration: ', badge(l.decision)),
    h('p', {}, h('span', { class: 'mono' }, l.net), l.until ? [', until ', time(l.until)] : '', l.note ? [', ', h('q', {}, l.note)] : '', '. Rules do not decide. Only a change of the configuration ends it; an override decides before it.')),
};

const shown = ({ kind, ...what }) => shownAs[kind](what);

function ruleCard(r) {
  const most = r.count > r.block_over;
  return h('section', { class: 'card rule' },
    h('h2', {}, r.name, ' ', badge(r.outcome), ' ', r.mode === 'shadow' ? h('span', { class: 'chip small shadow' }, 'shadow: decides nothing') : null),
    h('p', {}, h('strong', {}, `${most ? 'at least ' : ''}${number(r.count)}`), ` within ${duration(r.window_seconds)}; `, r.review_over ? `review over ${number(r.review_over)}, ` : '', `block over ${number(r.block_over)}; `, clears(r.clears_in_seconds)),
    bar(r.count, r),
    r.held ? h('p', { class: 'hint' }, 'Held: it was over the limit, and stays blocked for some time.') : null,
    r.elements && r.elements.length ? h('details', {}, h('summary', {}, `What it counts: ${things(r.elements.length, 'entry', 'entries')}`),
      h('ul', { class: 'elements' }, r.elements.map((e) => h('li', {}, chip(e.id), `${duration(e.age_seconds)} ago`)))) : null);
}
