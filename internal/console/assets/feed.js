// Decisions as they come. A browser has one stream, however many of its tabs are open: one
// tab reads it and hands on what comes. Where a browser allows no such sharing (a page that
// is not secure), each tab has a stream.
import { pause } from './dom.js';
import { stream } from './api.js';

const channel = 'BroadcastChannel' in window ? new BroadcastChannel('fraudcheck decisions') : null;
const again = 10000; // ms until a stream is asked for again
const silent = 40000; // ms without a comment after which a stream is given up
const most = 300; // decisions a second that a page takes

class TooFast extends Error {}

// follow calls on.decision, on.dropped and on.state until the signal is aborted. The state is
// "connecting", "live", "polling", with the reason, or "fast". Then there is no stream, so the
// page has to ask by itself: none can be had, or so many decisions come that to send them all
// would cost the service more than to check. since is the time from which decisions are wanted; some may come twice.
export function follow(on, since, signal) {
  let last = since || new Date(Date.now() - 5000).toISOString();
  const hear = (what, value) => {
    if (what === 'decision') last = value.time;
    if (on[what] && !signal.aborted) on[what](value);
  };
  if (!channel || !navigator.locks) {
    read(hear, () => last, signal);
    return;
  }
  let state; // of the stream that this tab reads
  const listener = ({ data: [what, value] }) => {
    if (what !== 'hello') hear(what, value);
    else if (state) channel.postMessage(['state', state]);
  };
  channel.addEventListener('message', listener);
  signal.addEventListener('abort', () => channel.removeEventListener('message', listener));
  channel.postMessage(['hello']);
  const tell = (what, value) => {
    if (what === 'state') state = value;
    hear(what, value);
    channel.postMessage([what, value]);
  };
  // The tab that has the lock reads; once it leaves the page, the next one does.
  navigator.locks.request('fraudcheck decisions', { signal }, () => read(tell, () => last, signal)).catch(() => {});
}

async function read(tell, since, signal) {
  let all = true; // that were made since
  while (!signal.aborted) {
    tell('state', { name: 'connecting' });
    let [second, count] = [0, 0];
    try {
      const url = `/v1/decisions/stream${all ? `?since=${encodeURIComponent(since())}` : ''}`;
      await stream(url, signal, silent, () => tell('state', { name: 'live' }), (event, data) => {
        if (event === 'decision') {
          const now = Math.floor(Date.now() / 1000);
          [second, count] = second === now ? [now, count + 1] : [now, 1];
          if (count > most) throw new TooFast();
        }
        tell(event, data);
      });
      await pause(1000, signal);
    } catch (error) {
      if (signal.aborted) return;
      all = !(error instanceof TooFast);
      tell('state', !all ? { name: 'fast' } : { name: 'polling', why: error.message });
      await pause(again, signal);
    }
  }
}
