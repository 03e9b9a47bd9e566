// Does the program keep its promises? A card tester is allowed, reviewed and blocked at
// exactly the counts of the default rule, a wrong call is refused for the right reason,
// and honest shoppers are all allowed. Latency is not judged.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { card, honestAddress } from './data.js';
import { basic, decides, holds, json, params, same } from './service.js';

const { BASE_URL, USERNAME, PASSWORD, ANALYST_USERNAME, ANALYST_PASSWORD } = __ENV;

export const options = {
  scenarios: {
    story: { exec: 'story', executor: 'shared-iterations', vus: 3, iterations: 3, maxDuration: '10s', gracefulStop: '2s' },
    refusals: { exec: 'refusals', executor: 'per-vu-iterations', vus: 3, iterations: 5, maxDuration: '10s', gracefulStop: '2s' },
    honest: { exec: 'honest', executor: 'constant-arrival-rate', rate: 200, duration: '5s', preAllocatedVUs: 100, gracefulStop: '2s' },
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    'dropped_iterations{scenario:honest}': ['count==0'],
    // Iterations that never began, were interrupted or threw fail no check: count them.
    'finished{scenario:story}': ['count==3'],
    'finished{scenario:refusals}': ['count==15'],
    'finished{scenario:honest}': ['count>=900'],
  },
};

const finished = new Counter('finished');
http.setResponseCallback(http.expectedStatuses(200));

const url = `${BASE_URL}/v1/check`;
const checker = basic(USERNAME, PASSWORD);

const postJSON = (attempt) => http.post(url, JSON.stringify(attempt), params({ ...checker, ...json }));
const postForm = (attempt) => http.post(url, attempt, params(checker));
const postQuery = (attempt) => {
  const query = Object.entries(attempt).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return http.post(`${url}?${query.join('&')}`, null, params(checker));
};

// The scenarios share one program, so no two may use the same address.
const stories = [
  { by: 'JSON', post: postJSON, address: () => '192.0.2.1' },
  { by: 'form', post: postForm, address: () => '192.0.2.2' },
  // Addresses of one /64 are one subject.
  { by: 'URL parameters', post: postQuery, address: (i) => `2001:db8:ffff:1::${i}` },
];
const refusedAddress = '203.0.113.7';

export function story() {
  const { by, post, address } = stories[exec.scenario.iterationInTest];
  let attempts = 0;
  const show = (shown, decision, count) => {
    const attempt_id = `${by} ${++attempts}`;
    const res = post({ ip: address(attempts), ...card(shown), attempt_id });
    holds(`story by ${by}: ${decision}`, res, () => decides(res, decision, count) && res.json('attempt_id') === attempt_id);
  };
  const decisions = ['allow', 'allow', 'allow', 'review', 'review', 'block', 'block', 'block'];
  decisions.forEach((decision, i) => {
    const count = Math.min(i + 1, 6); // a count ends at block_over + 1
    for (let times = 0; times < 6; times++) show(i, decision, count);
    show(0, decision, count);
  });
  finished.add(1);
}

const attempt = { ip: refusedAddress, ...card(4242) };
const { ip: _, ...noAddress } = attempt;

const wrong = [
  { what: 'no credentials', headers: json, status: 401, code: 'authorization_missing' },
  { what: 'a wrong password', headers: { ...json, ...basic(USERNAME, `${PASSWORD}x`) }, status: 401, code: 'credentials_invalid' },
  { what: 'an unknown user', headers: { ...json, ...basic(`${USERNAME}x`, PASSWORD) }, status: 401, code: 'credentials_invalid' },
  { what: 'an analyst', headers: { ...json, ...basic(ANALYST_USERNAME, ANALYST_PASSWORD) }, status: 403, code: 'role_missing' },
  { what: 'no such path', path: '/v1/nothing', status: 404, code: 'not_found' },
  { what: 'GET of a check', method: 'GET', body: null, status: 405, code: 'method', allow: 'POST' },
  { what: 'POST to healthz', path: '/healthz', status: 405, code: 'method', allow: 'GET, HEAD' },
  { what: 'a large body', body: JSON.stringify({ ...attempt, email: 'x'.repeat(9000) }), status: 413, code: 'body_too_large' },
  { what: 'plain text', headers: { ...checker, 'Content-Type': 'text/plain' }, status: 415, code: 'media_type' },
  { what: 'no address', body: JSON.stringify(noAddress), status: 400, code: 'field_missing', field: 'ip' },
  { what: 'five last digits', body: JSON.stringify({ ...attempt, last4: '04242' }), status: 400, code: 'field_invalid', field: 'last4' },
  { what: 'an unknown field', body: JSON.stringify({ ...attempt, colour: 'red' }), status: 400, code: 'field_unknown', field: 'colour' },
  { what: 'a repeated field', body: JSON.stringify(attempt).replace('{', '{"last4":"4242",'), status: 400, code: 'field_repeated', field: 'last4' },
  { what: 'a field in URL and body', path: '/v1/check?last4=4242', status: 400, code: 'field_repeated', field: 'last4' },
];

export function refusals() {
  for (const call of wrong) {
    const { what, method = 'POST', path = '/v1/check', body = JSON.stringify(attempt), headers = { ...checker, ...json } } = call;
    const res = http.request(method, BASE_URL + path, body, {
      ...params(headers),
      responseCallback: http.expectedStatuses(call.status),
    });
    holds(`${what}: ${call.status}`, res, () => refuses(res, call));
  }
  const res = postJSON({ ip: refusedAddress, ...card(1) });
  holds('what was refused is not counted', res, () => decides(res, 'allow', 1) && /^[0-9A-Z]{26}$/.test(res.json('attempt_id')));
  finished.add(1);
}

// An honest shopper has one card, and tries it again when it fails.
export function honest() {
  const i = exec.scenario.iterationInTest;
  for (let times = 0; times <= i % 3; times++) {
    const res = postJSON({ ip: honestAddress(i), ...card(i) });
    holds('honest: allow', res, () => decides(res, 'allow', 1));
  }
  finished.add(1);
}

function refuses(res, { status, code, field, allow }) {
  const { title, detail, ...problem } = res.json();
  const request_id = res.headers['X-Request-Id'];
  return res.status === status && res.headers['Content-Type'] === 'application/problem+json' &&
    /^Basic /.test(res.headers['Www-Authenticate']) === (status === 401) && res.headers.Allow === allow &&
    Boolean(title && detail && request_id) &&
    same(problem, { type: 'about:blank', status, code, ...(field && { field }), request_id });
}
