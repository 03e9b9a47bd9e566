import { about } from './about.js';
import { get, onSignedOut, post } from './api.js';
import { blocked } from './blocked.js';
import { append, h, say, show } from './dom.js';
import { live } from './live.js';
import { overrides } from './overrides.js';
import { failed, mayAct, notice } from './parts.js';
import { rules } from './rules.js';
import { signIn } from './signin.js';
import { address, other } from './subject.js';
import { theme } from './theme.js';
import { trends } from './trends.js';

const pages = [
  { path: '/console', name: 'Live', show: live },
  { path: '/console/blocked', name: 'Blocked now', show: blocked },
  { path: '/console/subject', name: 'Other subject', show: other },
  { path: '/console/overrides', name: 'Overrides', show: overrides },
  { path: '/console/rules', name: 'Rules', show: rules },
  { path: '/console/trends', name: 'Trends', show: trends },
  { path: '/console/about', name: 'About', show: about, open: true },
];
const ofAddress = '/console/address/';

const main = h('main', { id: 'main', tabindex: '-1' });
const app = document.getElementById('app');
let who = null;
let leaving = new AbortController();

// draw shows the page that the URL names. focus is what then has the focus, if anything.
async function draw(focus) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { pathname, search } = window.location;
  const context = { who, signal, go, replace, query: new URLSearchParams(search) };
  const path = pathname.replace(/(.)\/$/, '$1');
  let page = pages.find((p) => p.path === path);
  if (path.startsWith(ofAddress)) {
    context.ip = decoded(path.slice(ofAddress.length));
    page = { name: context.ip, show: address };
  }
  page ||= { name: 'There is no such page', show: async () => {} };
  document.title = `${page.name} · fraudcheck`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === path) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  show(main, h('h1', { tabindex: '-1', class: context.ip ? 'mono' : null }, page.name));
  window.scrollTo(0, 0);
  if (!page.open && !mayAct(who)) {
    append(main, notice('warn', `Your role does not allow this: you are ${who.name}, ${who.roles.length ? `with the role ${who.roles.join(', ')}` : 'without a role'}. These pages need the role analyst or operator.`));
    page.show = async () => {};
  }
  const shown = page.show(main, context).catch((error) => {
    if (signal.aborted || error.name === 'AbortError') return;
    append(main, failed(error));
  });
  const target = focus && (main.querySelector(focus) || main.querySelector('h1'));
  if (target) (target.matches('.chips') ? target.querySelector('[aria-pressed=true]') || target.firstElementChild : target).focus();
  await shown;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function go(path, query, focus = 'h1') {
  window.history.pushState(null, '', url(path, query));
  draw(focus);
}

// replace changes the URL of the page that is shown.
const replace = (path, query) => window.history.replaceState(null, '', url(path, query));
const url = (path, query) => path + (query && String(query) ? `?${query}` : '');

// heard is an IP address as somebody types it who hears it: four numbers with anything
// between them, or with blanks in it.
function heard(text) {
  const numbers = text.trim().replace(/[.,]$/, '').split(/\s*(?:[.,-]|dot|\s)\s*/i);
  return numbers.length === 4 && numbers.every((n) => /^\d{1,3}$/.test(n)) ? numbers.join('.') : text.replace(/\s+/g, '').replaceAll(',', '.');
}

function frame() {
  const ip = h('input', { id: 'ip', name: 'ip', type: 'search', placeholder: 'IP address', title: 'Ctrl K, or paste an IP address anywhere', 'aria-keyshortcuts': 'Control+K Meta+K', inputmode: 'url', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', enterkeyhint: 'search' });
  const lookUp = (event) => {
    event.preventDefault();
    const text = heard(ip.value);
    if (!text) return;
    ip.value = '';
    go(ofAddress + encodeURIComponent(text));
  };
  const may = mayAct(who);
  show(app,
    h('header', {}, h('a', { class: 'name', href: '/console' }, 'fraudcheck'),
      may ? h('form', { role: 'search', onsubmit: lookUp }, h('label', { for: 'ip', class: 'heard' }, 'IP address'), ip, h('button', { type: 'submit' }, 'Look up')) : null,
      h('span', { class: 'who' }, theme(), h('span', { class: 'user', title: who.name }, who.name), h('button', { type: 'button', onclick: signOut }, 'Sign out'))),
    h('nav', { 'aria-label': 'Pages' }, h('ul', {}, pages.filter((p) => may || p.open).map(({ path, name }) => h('li', {}, h('a', { href: path }, name))))), main);
}

async function signOut() {
  let why = 'You are signed out.';
  try {
    await post('/v1/logout');
  } catch (error) {
    if (error.status !== 401) why = `Not signed out everywhere: ${error.message}`;
  }
  leave(why);
}

// leave shows the form, and afterwards the page that the URL names.
function leave(why) {
  leaving.abort();
  leaving = new AbortController();
  who = null;
  document.title = 'Sign in · fraudcheck';
  show(app, main);
  signIn(main, why, begin);
  if (why) say(why);
}

async function begin() {
  const focus = document.querySelector('.signin') ? 'h1' : null;
  who = await get('/v1/me');
  frame();
  draw(focus);
  if (window.location.pathname === '/console' && mayAct(who)) document.getElementById('ip').focus(); // somebody is on the phone
}

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element && event.target.closest('a[href]');
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || !who) return;
  const { origin, pathname, search, hash } = new URL(link.href);
  if (hash || origin !== window.location.origin || !(pathname === '/console' || pathname.startsWith('/console/')) || pathname.endsWith('.txt')) return;
  event.preventDefault();
  go(pathname, search.slice(1));
});
document.addEventListener('keydown', (event) => {
  const field = document.getElementById('ip');
  if (!field || event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  field.focus();
  field.select();
});
// An IP address that is pasted beside the fields is looked up.
document.addEventListener('paste', (event) => {
  const text = heard(event.clipboardData.getData('text/plain'));
  if (!document.getElementById('ip') || event.target.closest('input, select') || !/^[0-9a-f:.[\]]{3,60}$/i.test(text) || !/[:.]/.test(text)) return;
  event.preventDefault();
  go(ofAddress + encodeURIComponent(text));
});
window.addEventListener('popstate', () => {
  if (!who) return;
  const field = document.getElementById('ip');
  if (field) field.value = ''; // it is not what the page shows
  draw('h1');
});

onSignedOut(() => { if (who) leave('Your session has ended.'); });

// start asks who is there; without an answer the form is shown, or why there is none.
async function start() {
  try {
    await begin();
  } catch (error) {
    if (error.status === 401) {
      leave();
      return;
    }
    show(app, main);
    show(main, h('h1', { tabindex: '-1' }, 'fraudcheck'), failed(error), h('button', { type: 'button', onclick: start }, 'Try again'));
  }
}
start();
