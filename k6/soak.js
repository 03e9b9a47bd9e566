// Does anything grow? The same households shop again and again, for half an hour unless
// DURATION says otherwise, and every ten seconds (in short runs more often) each instance's
// memory, open files and goroutines are read from /metrics. The least of the last third must
// not be a tenth over the least of the second third; the first is for warming up.
import http from 'k6/http';
import exec from 'k6/execution';
import { check, sleep } from 'k6';
import { card, honestAddress } from './data.js';
import { arrivals, duration, fast, kept, rate, seconds, summaryTrendStats } from './options.js';
import { basic, decides, holds, json, params, sum } from './service.js';

const { BASE_URLS, OPERATOR_URLS, USERNAME, PASSWORD } = __ENV;

const lasts = seconds(duration('30m'));
const every = Math.min(10, lasts / 30); // seconds
const looks = Math.floor(lasts / every);
const households = Math.ceil(rate(300) * lasts / 10); // each comes ten times, so the first third has seen them all

export const options = {
  summaryTrendStats,
  scenarios: {
    shoppers: arrivals({ exec: 'shop', rate: rate(300), duration: `${lasts}s` }),
    // One iteration, so that no look is left out, however slow the answers are.
    looks: { executor: 'per-vu-iterations', exec: 'look', vus: 1, iterations: 1, maxDuration: `${lasts + 60}s` },
  },
  thresholds: { ...kept, ...fast, 'iterations{scenario:looks}': ['count==1'] },
};

http.setResponseCallback(http.expectedStatuses(200));
const urls = BASE_URLS.split(',');

export function shop() {
  const i = exec.scenario.iterationInTest % households;
  const res = http.post(`${urls[i % urls.length]}/v1/check`, JSON.stringify({ ip: honestAddress(i), ...card(i) }), params({ ...basic(USERNAME, PASSWORD), ...json }));
  holds('honest: allow', res, () => decides(res, 'allow', 1));
}

export function look() {
  const seen = {}; // by what and where
  const began = Date.now();
  for (let n = 0; n < looks; n++) {
    for (const url of OPERATOR_URLS.split(',')) {
      const page = http.get(`${url}/metrics`, { tags: { name: '/metrics' }, timeout: '10s' }).body || '';
      for (const what of ['process_resident_memory_bytes', 'process_open_fds', 'go_goroutines']) {
        (seen[`${what} at ${url}`] ||= []).push(sum(page, what) || Infinity); // no answer fails in http_req_failed
      }
    }
    sleep(Math.max(0, began / 1000 + (n + 1) * every - Date.now() / 1000));
  }
  for (const [what, values] of Object.entries(seen)) {
    const third = Math.floor(values.length / 3);
    const before = Math.min(...values.slice(third, 2 * third));
    const after = Math.min(...values.slice(2 * third));
    // A few more are none: a connection that k6 opened, and who serves it.
    const ok = check(values, { [`${what.split(' ')[0]}: flat`]: () => after <= Math.max(1.1 * before, before + 16) });
    console.log(`${what}: ${before}, then ${after}`);
    if (!ok) console.error(`${what} grows`);
  }
}
