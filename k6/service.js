// How the scripts ask the service, and what its answers look like under the default
// rule.
import encoding from 'k6/encoding';
import { check } from 'k6';

export const json = { 'Content-Type': 'application/json' };

export const basic = (user, password) => ({ Authorization: `Basic ${encoding.b64encode(`${user}:${password}`)}` });

export const params = (headers) => ({ headers, timeout: '10s', tags: { name: '/v1/check' } });

// Cards whose numbers are less than 10000 apart differ.
export const card = (i) => ({ last4: String(i % 10000).padStart(4, '0'), exp_month: 1 + (i % 12), exp_year: 2030 });

// An honest shopper's address: a subject of its own for each i below 65536, within
// 198.18.0.0/16 and 2001:db8::/48, where a script's others must not be.
export const honestAddress = (i) => (i % 2 ? `2001:db8:0:${i.toString(16)}::1` : `198.18.${i >> 8}.${i & 255}`);

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
