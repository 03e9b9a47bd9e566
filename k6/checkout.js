// A checkout as it should be: connections kept, 100 ms for an answer, one retry with the same
// attempt_id, the issuer's answer reported, and a shopper whose card is declined takes a
// second one. No shopper is lost, and no retry counts twice.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter, Rate } from 'k6/metrics';
import { card, honestAddress } from './data.js';
import { arrivals, duration, kept, rate, summaryTrendStats } from './options.js';
import { basic, decides, holds, json, params } from './service.js';

const { BASE_URLS, USERNAME, PASSWORD } = __ENV;

export const options = {
  summaryTrendStats,
  scenarios: { shoppers: arrivals({ exec: 'shop', rate: rate(200), duration: duration('30s') }) },
  thresholds: {
    checks: kept.checks,
    dropped_iterations: kept.dropped_iterations,
    // A call that takes longer than 100 ms is tried once more. Nearly all calls do not, and
    // nearly nobody is charged unchecked.
    retried: ['rate<0.01'],
    failed_open: ['rate<0.001'],
    'http_req_connecting': ['p(90)==0'], // connections are kept
  },
};

const retried = new Rate('retried');
const failedOpen = new Rate('failed_open');
const declined = new Counter('declined');

const headers = { ...basic(USERNAME, PASSWORD), ...json };
const urls = BASE_URLS.split(',');
const timedOut = 1050; // k6's error_code

const post = (i, path, body) => http.post(urls[i % urls.length] + path, JSON.stringify(body), {
  ...params(headers), timeout: '100ms', tags: { name: path }, responseCallback: http.expectedStatuses(200, 202),
});

export function shop() {
  const i = exec.scenario.iterationInTest;
  const isDeclined = i % 8 === 0;
  pay(i, 0, isDeclined);
  if (isDeclined) pay(i, 1, false);
}

// pay checks, charges where the answer is not block, and reports what the issuer said.
function pay(i, nth, isDeclined) {
  const attempt = { ip: honestAddress(i), ...card(i + nth), attempt_id: `order-${i}-${nth}`, cart: `cart-${i}` };
  let res = post(i, '/v1/check', attempt);
  const again = res.error_code === timedOut;
  if (again) res = post(i + 1, '/v1/check', attempt); // at the other instance, where there is one
  retried.add(again);
  failedOpen.add(res.status !== 200);
  if (res.status === 200) holds('shopper: allow, counted once', res, () => decides(res, 'allow', nth + 1));

  const outcome = isDeclined ? { outcome: 'declined', reason: 'other' } : { outcome: 'approved' };
  if (isDeclined) declined.add(1);
  const told = post(i, '/v1/outcomes', { ...attempt, ...outcome });
  if (told.error_code !== timedOut) holds('outcome: taken', told, () => told.status === 202 && told.json('attempt_id') === attempt.attempt_id);
}
