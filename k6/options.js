// What the scripts that measure have in common: how long and how hard they load, and what
// must hold. RATE is attempts a second, DURATION such as 30s or 30m.

export const rate = (standard) => Number(__ENV.RATE || standard);
export const duration = (standard) => __ENV.DURATION || standard;

// seconds reads a duration of hours, minutes and seconds.
export function seconds(text) {
  const [whole, h = 0, m = 0, s = 0] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) || [];
  if (!whole) throw new Error(`DURATION: expected such as 90s, 30m or 1h30m, got ${text}`);
  return h * 3600 + m * 60 + s * 1;
}

// arrivals are iterations that begin at their instant, whether or not earlier ones have
// ended: a service that is slow is not asked less. Half a second's worth may run at once.
export const arrivals = (a) => ({ executor: 'constant-arrival-rate', gracefulStop: '10s', preAllocatedVUs: Math.ceil(a.rate / 2), ...a });

// kept: every call is answered, as it should be, and k6 kept its pace.
export const kept = {
  checks: ['rate==1'],
  http_req_failed: ['rate==0'],
  dropped_iterations: ['count==0'],
};

// fast: what the service promises of its latency.
export const fast = { 'http_req_duration{name:/v1/check}': ['p(99)<100'] };

export const summaryTrendStats = ['avg', 'med', 'p(90)', 'p(99)', 'p(99.9)', 'max'];
