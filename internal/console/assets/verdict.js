// What is known of a subject: the verdict in one sentence, and each rule with what it counts.
import { h, renew, show } from './dom.js';
import { duration, number, things, time, timeAfter } from './format.js';
import { badge, bar, chip, clears, notice } from './parts.js';

const strictness = { allow: 0, review: 1, block: 2 };
const done = { allow: 'Allowed', review: 'Reviewed', block: 'Blocked' };

// verdict is the sentence: what the subject would hear now, why, and until when. short is
// that without the times, which change all the time.
function verdict(report) {
  const { known_card: known, new_card: fresh } = report.next;
  const worst = strictness[known] > strictness[fresh] ? known : fresh;
  const words = known === fresh ? done[worst] : strictness[known] < strictness[fresh] ? `Another card would be ${done[worst].toLowerCase()}; those it has shown are ${done[known].toLowerCase()}` : `${done[fresh]} with another card, ${done[known].toLowerCase()} with those it has shown`;
  const rules = report.rules.filter((r) => r.mode === 'enforce' && r.outcome === worst && worst !== 'allow');
  let by = '';
  let until = null;
  if (report.override) {
    by = ` by an override of ${report.override.by}`;
    until = [', until ', time(report.override.until)];
  } else if (report.list) {
    by = ' by a list of the configuration';
    until = report.list.until ? [', until ', time(report.list.until)] : null;
  } else if (rules.length) {
    const wait = Math.max(...rules.map((r) => r.clears_in_seconds));
    by = ` by ${rules.map((r) => r.name).join(' and ')}`;
    until = wait > 0 ? [', until ', timeAfter(wait), ` (${duration(wait)}) if nothing more is shown`] : null;
  } else if (worst === 'allow' && report.rules.every((r) => r.count === 0)) {
    by = ', nothing is counted';
  }
  return { worst, short: `${words}${by}.`, words: [h('strong', {}, words), by, until, '.'] };
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
