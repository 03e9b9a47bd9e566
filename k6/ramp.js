// Where is the knee? Each step asks for more checks a second, until MOST. The knee is the last
// step before the first that was not kept: p99 over 100 ms, iterations that k6 could not
// begin, or answers that were degraded. k6 works on the same processors, so this is the knee
// of both together.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { card, honestAddress } from './data.js';
import { arrivals, duration, rate, seconds, summaryTrendStats } from './options.js';
import { basic, json, params } from './service.js';

const { BASE_URLS, USERNAME, PASSWORD } = __ENV;

const step = rate(500); // checks a second more with each step
const steps = Math.ceil(Number(__ENV.MOST || 8 * step) / step);
const lasts = seconds(duration('10s')); // each step
const pause = 2;

const scenarios = {};
const thresholds = { http_req_failed: ['rate==0'] };
const names = [];
for (let n = 1; n <= steps; n++) {
  const name = `at_${n * step}`;
  names.push(name);
  scenarios[name] = arrivals({ exec: 'check', rate: n * step, duration: `${lasts}s`, startTime: `${(n - 1) * (lasts + pause)}s`, gracefulStop: `${pause}s` });
  // A threshold makes k6 keep the numbers of a step by themselves; these always hold.
  thresholds[`http_req_duration{scenario:${name}}`] = ['p(99)>=0'];
  thresholds[`iterations{scenario:${name}}`] = ['count>=0'];
  thresholds[`degraded{scenario:${name}}`] = ['count>=0'];
}
// The first step must be kept, or there is nothing to find.
thresholds[`http_req_duration{scenario:${names[0]}}`] = ['p(99)<100'];
export const options = { summaryTrendStats, scenarios, thresholds };

const degraded = new Counter('degraded');
const urls = BASE_URLS.split(',').map((base) => `${base}/v1/check`);
http.setResponseCallback(http.expectedStatuses(200));

export function check() {
  const i = Math.floor(Math.random() * 2 ** 32);
  const res = http.post(urls[i % urls.length], JSON.stringify({ ip: honestAddress(i), ...card(i) }), params({ ...basic(USERNAME, PASSWORD), ...json }));
  degraded.add(res.status === 200 && res.json('degraded') === false ? 0 : 1);
}

export function handleSummary({ metrics }) {
  const of = (metric, name) => (metrics[`${metric}{scenario:${name}}`] || { values: {} }).values;
  let knee = 0;
  let over = false;
  const lines = ['checks a second  answered  p99 ms  degraded'];
  names.forEach((name, n) => {
    const { 'p(99)': p99 = Infinity } = of('http_req_duration', name);
    const { count: answered = 0 } = of('iterations', name);
    const { count: wrong = 0 } = of('degraded', name);
    const wanted = (n + 1) * step;
    const isKept = p99 < 100 && wrong === 0 && answered >= 0.99 * wanted * lasts;
    over = over || !isKept;
    if (!over) knee = wanted;
    lines.push([String(wanted).padStart(15), String(Math.round(answered / lasts)).padStart(9), p99.toFixed(1).padStart(7), String(wrong).padStart(9), isKept ? '' : 'not kept'].join(' '));
  });
  lines.push(over ? `knee: ${knee} checks a second` : `no knee up to ${knee} checks a second`, '');
  return { stdout: lines.join('\n') };
}
