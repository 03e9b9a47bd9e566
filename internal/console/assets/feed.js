// Decisions as they come. A browser has one stream, however many of its tabs are open: one
// tab reads it and hands on what comes. Where a browser allows no such sharing (a page that
// is not secure), each tab has a stream.
import { pause } from './dom.js';
import { stream } from './api.js';

const channel = 'BroadcastChannel' in window ? new BroadcastChannel('fraudcheck decisions') : null;
const again = 10000; // ms until a stream is asked for again
const silent = 40000; // ms without a comment after which a stream is given up

class TooFast extends Error {}

// follow calls on.decision, on.dropped and on.state until the signal is aborted. The state is
// "connecting", "live", "polling", with the reason and, where a stream broke off, when it was
// heard last, or "fast". With these two there is no stream, so the page has to ask by itself:
// none can be had, or so many decisions come that the service leaves some out, and then a page
// with a filter would miss what it is for. since is the time from which decisions are wanted;
// some may come twice.
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
  let all = true; // that were made since; not behind a flood
  while (!signal.aborted) {
    tell('state', { name: 'connecting' });
    let calm; // behind a flood it is live again once that has proved to be over
    const live = () => tell('state', { name: 'live' });
    try {
      const url = `/v1/decisions/stream${all ? `?since=${encodeURIComponent(since())}` : ''}`;
      await stream(url, signal, silent, () => { if (all) live(); else calm = setTimeout(live, 2000); }, (event, data) => {
        tell(event, data);
        if (event === 'dropped') throw new TooFast();
      });
      await pause(1000, signal);
    } catch (error) {
      clearTimeout(calm);
      if (signal.aborted) return;
      all = !(error instanceof TooFast);
      tell('state', !all ? { name: 'fast' } : { name: 'polling', why: error.status ? error.message : '', heardAt: error.heardAt });
      await pause(all ? again : 2 * again, signal);
    }
  }
}
