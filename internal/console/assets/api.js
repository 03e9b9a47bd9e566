// What the console asks: the operators' API, with the session's cookie.

// A Refusal is an answer that is no 2xx, or none at all (status 0).
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || 'The service does not answer.');
    this.status = status;
    this.code = problem.code;
    this.field = problem.field;
  }
}

let signedOut = () => {};

// onSignedOut sets what happens when the session has ended.
export function onSignedOut(listener) { signedOut = listener; }

export const get = (path, signal) => ask('GET', path, undefined, signal);
export const post = (path, body) => ask('POST', path, body);
export const put = (path, body) => ask('PUT', path, body);
export const remove = (path) => ask('DELETE', path);

async function ask(method, path, body, signal) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, { detail: 'The service does not answer.' });
  }
  const text = await answer.text();
  let data = {};
  try {
    if (text) data = JSON.parse(text);
  } catch {
    data = { title: answer.statusText };
  }
  if (answer.ok) return data;
  const refusal = new Refusal(answer.status, data);
  if (answer.status === 401 && path !== '/v1/login') signedOut(refusal);
  throw refusal;
}
