// How the scripts ask the service, and what its answers look like under the default
// rule.
import encoding from 'k6/encoding';
import { check } from 'k6';

export const json = { 'Content-Type': 'application/json' };

export const basic = (user, password) => ({ Authorization: `Basic ${encoding.b64encode(`${user}:${password}`)}` });

export const params = (headers) => ({ headers, timeout: '10s', tags: { name: '/v1/check' } });

// longest is the maximum of clears_in_seconds.
export function decides(res, decision, count, longest = 3600) {
  const { attempt_id, ...answer } = res.json();
  const clears = answer.rules[0].clears_in_seconds;
  return res.status === 200 && res.headers['Content-Type'] === 'application/json' &&
    Number.isInteger(clears) && (decision === 'allow' ? clears === 0 : 0 < clears && clears <= longest) &&
    same(answer, {
      decision,
      reasons: decision === 'allow' ? [] : ['cards_per_ip'],
      rules: [{
        name: 'cards_per_ip', outcome: decision, mode: 'enforce', count, review_over: 3, block_over: 5,
        window_seconds: 3600, clears_in_seconds: clears,
      }],
      degraded: false,
    });
}

export function same(a, b) {
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && same(a[key], b[key]));
}

let told = false; // one wrong answer of each VU is printed

export function holds(what, res, expected) {
  const ok = check(res, {
    [what]: () => {
      try {
        return expected();
      } catch (_) {
        return false; // not an answer of the expected form; the rest is still tried
      }
    },
  });
  if (ok || told) return;
  told = true;
  console.error(`${what}: got ${res.status} ${res.body || res.error}`);
}

// sum adds the samples of a metric, on a page of metrics, that have all of these labels, each
// written as in what="cards"; undefined where there is none.
export function sum(page, metric, ...labels) {
  let total;
  for (const line of page.split('\n')) {
    const [, name, braces = '', value] = /^([a-z_:]+)(\{.*\})? (\S+)$/.exec(line) || [];
    if (name === metric && labels.every((label) => braces.includes(label))) total = (total || 0) + Number(value);
  }
  return total;
}
