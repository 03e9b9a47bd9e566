// Does it keep its pace? Honest shoppers and an attack, at a constant rate, on two instances
// that share a memcached: every call answered within 100 ms, and as the default rule says.
import http from 'k6/http';
import exec from 'k6/execution';
import { card, honestAddress } from './data.js';
import { arrivals, duration, fast, kept, rate, summaryTrendStats } from './options.js';
import { basic, decides, holds, json, params } from './service.js';

const { BASE_URLS, USERNAME, PASSWORD } = __ENV;

export const options = {
  summaryTrendStats,
  scenarios: {
    honest: arrivals({ exec: 'honest', rate: rate(500), duration: duration('30s') }),
    attacker: arrivals({ exec: 'attacker', rate: Math.ceil(rate(500) / 10), duration: duration('30s') }),
  },
  thresholds: { ...kept, ...fast },
};

const urls = BASE_URLS.split(',').map((base) => `${base}/v1/check`);
const ask = (i, attempt) => http.post(urls[i % urls.length], JSON.stringify(attempt), params({ ...basic(USERNAME, PASSWORD), ...json }));
http.setResponseCallback(http.expectedStatuses(200));

export function honest() {
  const i = exec.scenario.iterationInTest;
  const res = ask(i, { ip: honestAddress(i), ...card(i) });
  holds('honest: allow', res, () => decides(res, 'allow', 1));
}

// The attacker has begun before: its cards beyond block_over pass at no instance.
export function setup() {
  for (let n = 0; n < 10; n++) ask(0, attempt(n));
}

const attempt = (n) => ({ ip: '203.0.113.66', ...card(n) });

export function attacker() {
  const i = exec.scenario.iterationInTest;
  const res = ask(i, attempt(10 + i));
  holds('attacker: block', res, () => decides(res, 'block', 6, 3601));
}
