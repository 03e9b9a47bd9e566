// Times and numbers, as the reader's language writes them; UTC stands in the title.
import { h } from './dom.js';

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const shortClock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const plain = new Intl.NumberFormat();
const percents = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });

export const number = (n) => plain.format(n);
export const percent = (share) => percents.format(share);
export const timeOfDay = (date) => shortClock.format(date);

const utc = (date) => `${date.toISOString().replace('T', ' ').replace(/\.\d+Z$/, '')} UTC`;
const isToday = (date) => date.toDateString() === new Date().toDateString();

function instant(date, ofToday) {
  if (Number.isNaN(date.getTime())) return h('span', {}, '–');
  return h('time', { datetime: date.toISOString(), title: utc(date) }, (isToday(date) ? ofToday : dayAndClock).format(date));
}

// time is an instant: the time of day, with the day where that is another one.
export const time = (at) => instant(new Date(at), clock);

// timeAfter is the instant in so many seconds, to the minute.
export const timeAfter = (seconds) => instant(new Date(Date.now() + seconds * 1000), shortClock);

// duration is seconds in words, in the two greatest units; seconds count in the last ten
// minutes alone.
export function duration(seconds) {
  const exact = Math.max(0, Math.ceil(seconds));
  const left = exact < 600 ? exact : 60 * Math.ceil(exact / 60);
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = units.findIndex(([size]) => left >= size);
  if (first < 0) return '0 s';
  const [size, name] = units[first];
  const next = units[first + 1];
  const rest = next ? Math.floor((left % size) / next[0]) : 0;
  return `${Math.floor(left / size)} ${name}${rest ? ` ${rest} ${next[1]}` : ''}`;
}

// things is a count with its word.
export const things = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;
