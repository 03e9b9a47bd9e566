// Does a card tester get further by asking several instances? One address sends
// volleys of new cards to all instances at once. Together they must let through exactly
// as many as one instance would, while honest shoppers, who ask any instance, are all
// allowed. Latency is not judged.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { card, honestAddress } from './data.js';
import { basic, decides, holds, json, params } from './service.js';

const { BASE_URLS, USERNAME, PASSWORD } = __ENV;

const seconds = 10;
const shoppersASecond = 150; // each makes two attempts on average
const volleysASecond = 5;
const volley = 10; // cards at once: 50 a second
const shoppers = seconds * shoppersASecond;
const volleys = seconds * volleysASecond;
const blockOver = 5;

// k6 does not begin an exact number of iterations in a time: the run is a second longer
// than needed, and iterations beyond the last one do nothing.
const arrivals = { executor: 'constant-arrival-rate', duration: `${seconds + 1}s`, gracefulStop: '10s' };

export const options = {
  batchPerHost: volley,
  scenarios: {
    honest: { ...arrivals, exec: 'honest', rate: shoppersASecond, preAllocatedVUs: 600 },
    attacker: { ...arrivals, exec: 'attacker', rate: volleysASecond, preAllocatedVUs: 20 },
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    dropped_iterations: ['count==0'],
    degraded: ['count==0'],
    passed: [`count==${blockOver}`],
    'passed{decision:allow}': ['count==3'],
    'passed{decision:review}': ['count==2'],
    blocked: [`count==${volleys * volley - blockOver}`],
    // Iterations that never began, were interrupted or threw fail no check: count them.
    'finished{scenario:honest}': [`count==${shoppers}`],
    'finished{scenario:attacker}': [`count==${volleys}`],
  },
};

const finished = new Counter('finished');
const degraded = new Counter('degraded'); // answers of either scenario
const passed = new Counter('passed'); // the attacker's attempts
const blocked = new Counter('blocked');
http.setResponseCallback(http.expectedStatuses(200));

const urls = BASE_URLS.split(',').map((base) => `${base}/v1/check`);
const url = (i) => urls[i % urls.length];
const checks = params({ ...basic(USERNAME, PASSWORD), ...json });

const attackerAddress = '203.0.113.66'; // not one of the honest shoppers

// The cards that a shopper shows, one after the other: one card, one tried again, or a
// second one when the first fails.
const habits = [[0], [0, 0], [0], [0, 1], [0, 0, 1, 0]];

export function honest() {
  const i = exec.scenario.iterationInTest;
  if (i >= shoppers) return;
  const seen = new Set();
  habits[i % habits.length].forEach((which, nth) => {
    seen.add(which);
    const res = http.post(url(i + nth), JSON.stringify({ ip: honestAddress(i), ...card(i + which) }), checks);
    note(res);
    holds('honest: allow', res, () => decides(res, 'allow', seen.size));
  });
  finished.add(1);
}

export function attacker() {
  const i = exec.scenario.iterationInTest;
  if (i >= volleys) return;
  const shots = [];
  for (let n = i * volley; n < (i + 1) * volley; n++) {
    shots.push(['POST', url(n), JSON.stringify({ ip: attackerAddress, ...card(n) }), checks]);
  }
  for (const res of http.batch(shots)) {
    const { decision, rules } = note(res);
    if (decision === 'allow' || decision === 'review') passed.add(1, { decision });
    if (decision === 'block') blocked.add(1);
    holds('attacker: as the count says', res, () => {
      const { count } = rules[0];
      // Cards of the same volley may be recorded a moment later than this one, and
      // expire as much later.
      return decides(res, count > blockOver ? 'block' : count > 3 ? 'review' : 'allow', count, 3601);
    });
  }
  finished.add(1);
}

// note counts degraded answers, and returns the decision, which may be undefined.
function note(res) {
  let answer = {};
  try {
    answer = res.json();
  } catch (_) {
    // no answer of the expected form: the check that follows fails
  }
  degraded.add(answer.degraded ? 1 : 0);
  return answer;
}
