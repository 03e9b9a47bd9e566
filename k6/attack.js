// Does a card tester get further by asking several instances? One address fires
// volleys of cards, each card a new one, at all of them at once; together they
// must let through exactly what one would, while honest shoppers, who wander from
// instance to instance as well, notice nothing. How fast it answers is not judged.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { basic, card, decides, holds, honestAddress, json, params } from './service.js';

const { BASE_URLS, USERNAME, PASSWORD } = __ENV;

const seconds = 10;
const shoppersASecond = 150; // who ask twice on average
const volleysASecond = 5;
const volley = 10; // cards at once: 50 a second
const shoppers = seconds * shoppersASecond;
const volleys = seconds * volleysASecond;
const blockOver = 5;

// How many iterations begin in a time is not exact; so there is a second more
// than it takes, and what is over does nothing.
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
    // What never began, was cut off or threw has no check that fails.
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

const attackerAddress = '203.0.113.66'; // no honest shopper's

// The cards that shoppers show, one after the other: one, one tried again, or a
// second when the first fails.
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
      // What is shown at the same time may be seen a moment later than this, and
      // then leaves as much later.
      return decides(res, count > blockOver ? 'block' : count > 3 ? 'review' : 'allow', count, 3601);
    });
  }
  finished.add(1);
}

// note counts an answer that is degraded, and returns what it says, be it nothing.
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
