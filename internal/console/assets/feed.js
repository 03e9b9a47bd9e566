// Decisions as they come. A browser has one stream, however many of its tabs are open: one
// tab reads it and hands on what comes. Where browsers allow no such sharing (a page that is
// not secure), each tab has a stream.

const channel = 'BroadcastChannel' in window ? new BroadcastChannel('fraudcheck decisions') : null;

// follow calls on.decision, on.dropped and on.state until the signal is aborted. The state is
// "live", "connecting" or "full": all streams are in use, so the page has to ask by itself.
export function follow(on, signal) {
  const hear = ({ data: [what, value] }) => on[what](value);
  if (!channel || !navigator.locks) {
    read(hear, signal);
    return;
  }
  channel.addEventListener('message', hear);
  signal.addEventListener('abort', () => channel.removeEventListener('message', hear));
  const tell = (message) => {
    hear(message);
    channel.postMessage(message.data);
  };
  // Who has the lock reads; the next one has it once this tab leaves the page.
  navigator.locks.request('fraudcheck decisions', { signal }, () => new Promise((left) => {
    signal.addEventListener('abort', left);
    read(tell, signal);
  })).catch(() => {});
}

function read(tell, signal) {
  const send = (what, value) => tell({ data: [what, value] });
  let source;
  let retry;
  const open = () => {
    send('state', 'connecting');
    source = new EventSource('/v1/decisions/stream');
    source.addEventListener('open', () => send('state', 'live'));
    source.addEventListener('decision', (event) => send('decision', JSON.parse(event.data)));
    source.addEventListener('dropped', (event) => send('dropped', JSON.parse(event.data)));
    source.addEventListener('error', () => {
      // A browser tries again by itself, unless the answer was no stream: a 503, or a session
      // that has ended, which the next call of the page finds out.
      send('state', source.readyState === EventSource.CLOSED ? 'full' : 'connecting');
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, 15000);
    });
  };
  open();
  signal.addEventListener('abort', () => {
    clearTimeout(retry);
    source.close();
  });
}
