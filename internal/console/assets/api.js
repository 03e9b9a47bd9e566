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
export const post = (path, body, signal) => ask('POST', path, body, signal);
export const put = (path, body) => ask('PUT', path, body);
export const remove = (path) => ask('DELETE', path);

async function ask(method, path, body, signal) {
  const answer = await send(path, {
    method,
    signal,
    headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answer.status === 204 ? {} : answer.json();
}

// stream reads server-sent events until their end: begun is called once there is a stream,
// heard with the name and the data of each event. It fails after so many ms of silence, and with
// what heard throws. Where nothing comes any more, heardAt of the error is when something came last.
export async function stream(path, signal, silent, begun, heard) {
  const tooQuiet = new AbortController();
  let timer;
  let heardAt;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => tooQuiet.abort(), silent);
  };
  wait();
  try {
    const answer = await send(path, { signal: AbortSignal.any([signal, tooQuiet.signal]) });
    begun();
    heardAt = new Date();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      wait();
      heardAt = new Date();
      const events = (text + part.value).split('\n\n');
      text = events.pop();
      for (const event of events) {
        const parts = /^event: (\w+)\ndata: (.*)$/.exec(event);
        if (parts) heard(parts[1], JSON.parse(parts[2]));
      }
    }
  } catch (error) {
    if (tooQuiet.signal.aborted || error instanceof TypeError) throw Object.assign(new Refusal(0, {}), { heardAt });
    throw error;
  } finally {
    clearTimeout(timer);
    tooQuiet.abort(); // nothing more is read
  }
}

// send returns an answer that is a 2xx.
async function send(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, credentials: 'same-origin', cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, {});
  }
  if (answer.ok) return answer;
  let problem = {};
  try {
    problem = await answer.json();
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  const refusal = new Refusal(answer.status, { title: `The answer is ${answer.status} ${answer.statusText}`, ...problem });
  if (answer.status === 401 && path !== '/v1/login') signedOut(refusal);
  throw refusal;
}
