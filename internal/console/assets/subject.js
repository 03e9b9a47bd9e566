import { get, post, put, remove } from './api.js';
import { append, h, say, show } from './dom.js';
import { recent as recentDecisions } from './live.js';
import { asked, every, failed, mayAct, notice, tell } from './parts.js';
import { reportView } from './verdict.js';

const names = { list: 'a list of the configuration', override: 'an override' };
const named = (left) => left.map((name) => names[name] || name).join(', ');

// draft is the override that is being written. It is there again when the session ends
// meanwhile and the same user signs in.
let draft = null;

// mend puts what is no IP address back into the field.
function mend(text) {
  const field = document.getElementById('ip');
  if (!field) return;
  field.value = text;
  field.focus();
  field.select();
}

// address is the page of one IP address: whether it is blocked, why, until when, what else
// would block it, and letting it go.
export async function address(main, { ip, signal, who }) {
  if (ip.includes('/')) { // no path has one
    append(main, notice('error', h('span', { class: 'mono' }, ip), ' is no IP address. ', /^[0-9a-f:.]+\/\d+$/i.test(ip) ? h('a', { href: `/console?ip=${encodeURIComponent(ip)}` }, 'Live shows the decisions on a network') : ''));
    await null; // the new page takes the focus first
    mend(ip);
    return;
  }
  const path = `/v1/addresses/${encodeURIComponent(ip)}`;
  const view = reportView();
  const trouble = h('div', { class: 'troubles' });
  const result = h('div', { class: 'troubles', role: 'status' });
  const actions = h('div', { class: 'actions' });
  const counted = h('p', { class: 'hint' });
  const elsewhere = h('p', {});
  const recent = recentDecisions(signal);
  elsewhere.hidden = true;
  counted.hidden = true;
  view.sentence.hidden = true;
  recent.element.hidden = true;
  append(main, counted, trouble, view.sentence, view.cautions, result, actions, elsewhere, view.details, recent.element);

  const may = mayAct(who) ? forms(who, ip, { forget: () => act(() => remove(path), 'What was counted is forgotten, at every instance.'),
    override: (body) => act(() => put(`${path}/override`, body), 'The override is in force at every instance.'),
    end: () => act(() => remove(`${path}/override`), 'The override is removed.') }) : null;
  if (may) show(actions, may.elements);
  actions.hidden = true;

  let known = false;
  let asOf;
  let alone = false; // an override or a list decides, whatever else is known
  const read = async () => {
    try {
      const report = await (known ? get(path, signal) : asked(trouble, get(path, signal)));
      asOf = new Date();
      show(trouble);
      if (!known) others().catch(() => {}); // the verdict stands without them
      known = true;
      const news = view.update(report);
      if (news) say(news);
      if (may) may.update(report);
      const title = main.querySelector('h1');
      if (title.textContent !== report.subject) { // else what is selected stays so
        title.textContent = report.subject;
        document.title = `${report.subject} · fraudcheck`;
      }
      counted.textContent = `You asked for ${ip}, which is counted as this.`;
      counted.hidden = report.subject === ip;
      view.sentence.hidden = false;
      recent.element.hidden = false;
      actions.hidden = !may;
      alone = Boolean(report.override || report.list);
      elsewhere.hidden = alone || !elsewhere.firstChild;
      await recent.update(report.subject);
      return true;
    } catch (error) {
      if (signal.aborted || error.name === 'AbortError') return false;
      if (error.field) {
        show(trouble, notice('error', h('span', { class: 'mono' }, ip), ' is no IP address: ', error.message, '.'));
        mend(ip);
      } else {
        tell(trouble, failed(error, asOf));
      }
      return error.status === 0 || error.status >= 500;
    }
  };
  // act makes a change, says what came of it, and shows what is known then.
  const act = async (change, text) => {
    let done = false;
    try {
      const { still_blocked_by: left = [] } = await change();
      show(result, notice(left.length ? 'warn' : 'ok', `${text} `, left.length ? `Still blocked by ${named(left)}.` : ''));
      done = true;
    } catch (error) {
      show(result, error.status ? failed(error) : notice('error', 'No answer came to this change: it may have been made.'));
    }
    await read();
    return done;
  };

  const others = async () => {
    const { rules } = await get('/v1/rules', signal);
    const apart = rules.filter((r) => r.mode === 'enforce' && !['ip', 'network'].includes(r.per));
    if (!apart.length) return;
    show(elsewhere, 'A payment from here may also be blocked by ', apart.map((r, i) => [i ? ', ' : '', h('strong', {}, r.name), ` (per ${r.per})`]), ': an IP address cannot say. ', h('a', { href: '/console/subject' }, 'Look up the other subject'), '.');
    elsewhere.hidden = alone;
  };
  await every(2000, signal, read);
}

// forms are what may be done: let go, and override. update shows what can be done now.
function forms(who, ip, act) {
  const reason = h('input', { id: 'reason', required: true, autocomplete: 'off', 'aria-describedby': 'reason-hint' });
  const decision = h('select', { id: 'decision' }, h('option', { value: 'allow' }, 'allow'), h('option', { value: 'block' }, 'block'));
  const lasts = h('select', { id: 'for' }, [['1h', '1 hour'], ['24h', '24 hours'], ...(who.roles.includes('operator') ? [['168h', '7 days'], ['720h', '30 days']] : [])].map(([value, label]) => h('option', { value }, label)));
  // once has one change at a time, and nobody presses twice.
  const once = (work) => async (event) => {
    event.preventDefault();
    const button = event.submitter || event.currentTarget;
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    try {
      await work();
    } finally {
      button.removeAttribute('aria-disabled');
    }
  };
  const letGo = h('button', { type: 'button', class: 'main', onclick: once(act.forget), title: 'Forgets what was counted' }, 'Let go');
  const end = h('button', { type: 'button', onclick: once(act.end) }, 'Remove the override');
  const details = h('details', {}, h('summary', {}, 'Override …'),
    h('form', { class: 'card override', oninput: () => { draft = { by: who.name, ip, decision: decision.value, lasts: lasts.value, reason: reason.value }; }, onsubmit: once(async () => {
      if (!await act.override({ decision: decision.value, for: lasts.value, reason: reason.value })) return;
      reason.value = '';
      draft = null;
      details.open = false;
      details.querySelector('summary').focus();
    }) },
    h('span', { class: 'field' }, h('label', { for: 'decision' }, 'Decision'), decision), h('span', { class: 'field' }, h('label', { for: 'for' }, 'For'), lasts),
    h('span', { class: 'field wide' }, h('label', { for: 'reason' }, 'Reason'), reason, h('span', { class: 'hint', id: 'reason-hint' }, 'It stands in the log beside your name: no card number, nobody\'s name.')),
    h('button', { type: 'submit', class: 'main' }, 'Set the override')));
  if (draft && draft.by === who.name && draft.ip === ip) {
    [decision.value, lasts.value, reason.value] = [draft.decision, draft.lasts, draft.reason];
    details.open = true;
  } else {
    draft = null;
  }
  // The button that would change the verdict stands out; there is none against a list.
  const update = (report) => {
    const { known_card: known, new_card: fresh } = report.next;
    const had = document.activeElement;
    end.hidden = !report.override;
    end.className = report.override ? 'main' : '';
    letGo.hidden = report.rules.every((r) => r.count === 0 && !r.held);
    letGo.className = (known !== 'allow' || fresh !== 'allow') && !report.override && !report.list ? 'main' : '';
    if (had.hidden) details.querySelector('summary').focus();
  };
  return { elements: [end, letGo, details], update };
}

// wrong is what is wrong with a field of the other subjects, by the name that the API has for
// it: exp_month is missing where there is no expiry.
const wrong = {
  card_id: () => 'The provider\'s id of a card is not its number: give the id that your payment provider made. One of digits alone needs the prefix that your shop sends with it, such as tok_.',
  last4: (given) => (given ? 'The last four digits are four digits, as in 4242.' : 'Give the provider\'s id of the card, or its last four digits and its expiry.'),
  exp_month: () => 'The last four digits need the expiry beside them, as in 12/30.',
  expiry: () => 'The expiry is a month and a year, as in 12/30.',
  value: (given, kind) => (given ? `The ${kind} is too long: it has at most 256 characters.` : `Give the ${kind}.`),
};

// other is the page of a subject that is no address. Its value stands in no URL.
export async function other(main, { who, signal }) {
  const trouble = h('div', { class: 'troubles', role: 'status' });
  const result = h('div', { class: 'troubles' });
  const kind = h('select', { id: 'per', onchange: () => shape() }, ['card', 'email', 'device', 'cart', 'account'].map((k) => h('option', { value: k }, k)));
  const fields = h('div', { class: 'fields' });
  let inputs = {};
  const input = (name, label, more) => {
    inputs[name] = h('input', { id: name, name, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', ...more });
    return h('span', { class: 'field' }, h('label', { for: name }, label), inputs[name]);
  };
  const shape = () => {
    inputs = {};
    show(fields, kind.value === 'card' ? [input('card_id', 'The provider\'s id of the card (card_id)', { maxlength: '128' }), input('last4', 'or its last four digits', { inputmode: 'numeric', maxlength: '4' }), input('expiry', 'with expiry, as in 12/30')] : input('value', `The ${kind.value}`, { required: true }));
    show(trouble);
    show(result);
  };
  const subjectAsked = () => ({ per: kind.value, ...Object.fromEntries(Object.entries(inputs).filter(([, i]) => i.value).map(([name, i]) => [name, i.value.trim()])) });

  const refused = (error) => {
    const field = inputs[error.field === 'exp_month' ? 'expiry' : error.field];
    if (!wrong[error.field] || !field) return failed(error);
    field.focus();
    return notice('error', wrong[error.field](field.value.trim(), kind.value));
  };
  const lookUp = async () => {
    const subject = subjectAsked();
    show(trouble);
    show(result);
    try {
      const view = reportView();
      say(view.update(await post('/v1/subjects/read', subject, signal)));
      show(result, view.sentence, view.cautions, mayAct(who) ? h('div', { class: 'actions' }, h('button', { type: 'button', class: 'main', onclick: () => forget(subject, view) }, 'Let go')) : null, view.details);
    } catch (error) {
      if (!signal.aborted) show(trouble, refused(error));
    }
  };
  const forget = async (subject, view) => {
    try {
      const { still_blocked_by: left } = await post('/v1/subjects/forget', subject, signal);
      view.update(await post('/v1/subjects/read', subject, signal));
      show(trouble, notice(left.length ? 'warn' : 'ok', 'What was counted is forgotten, at every instance. ', left.length ? `Still blocked by ${named(left)}.` : ''));
    } catch (error) {
      if (!signal.aborted) show(trouble, failed(error));
    }
  };
  shape();
  append(main, h('p', { class: 'hint' }, 'A card, an e-mail address or the like. What you type is sent in the body of a request: it stands in no URL and no log.'),
    h('form', { class: 'card lookup', onsubmit: (event) => { event.preventDefault(); lookUp(); } }, h('span', { class: 'field' }, h('label', { for: 'per' }, 'What'), kind), fields, h('button', { class: 'main', type: 'submit' }, 'Look up')), trouble, result);
}
