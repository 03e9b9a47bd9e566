// What no rule per address sees: a botnet that shows each card from another address. Every
// attempt is allowed, as its count is 1. What shows is the number of different addresses and
// cards of the last ten minutes, which the alerts watch: it must be right within 3 %.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { honestAddress } from './data.js';
import { arrivals, duration, fast, kept, rate, seconds, summaryTrendStats } from './options.js';
import { basic, decides, holds, json, params, sum } from './service.js';

const { BASE_URL, OPERATOR_URLS, USERNAME, PASSWORD } = __ENV;

const bots = rate(300) * seconds(duration('20s'));

export const options = {
  summaryTrendStats,
  scenarios: { botnet: arrivals({ exec: 'bot', rate: rate(300), duration: `${seconds(duration('20s')) + 1}s` }) },
  thresholds: { ...kept, ...fast, iterations: [`count>=${bots}`] },
};

http.setResponseCallback(http.expectedStatuses(200));

export function bot() {
  const i = exec.scenario.iterationInTest;
  if (i >= bots) return; // the run is a second longer than needed
  const res = http.post(`${BASE_URL}/v1/check`, JSON.stringify({ ip: honestAddress(i), card_id: `tok_${i}` }), params({ ...basic(USERNAME, PASSWORD), ...json }));
  holds('bot: allow', res, () => decides(res, 'allow', 1));
}

export function teardown() {
  const page = http.get(`${OPERATOR_URLS.split(',')[0]}/metrics`, { tags: { name: '/metrics' } }).body;
  for (const what of ['addresses', 'cards']) {
    const seen = sum(page, 'fraudcheck_recent_distinct', `what="${what}"`);
    const ok = check(seen, { [`distinct ${what} within 3 %`]: () => Math.abs(seen - bots) <= 0.03 * bots });
    if (!ok) console.error(`${what}: ${bots} were shown, fraudcheck_recent_distinct is ${seen}`);
  }
}
