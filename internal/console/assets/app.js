import { about } from './about.js';
import { get, onSignedOut, post } from './api.js';
import { blocked } from './blocked.js';
import { h, say, show } from './dom.js';
import { live } from './live.js';
import { failed } from './parts.js';
import { rules } from './rules.js';
import { signIn } from './signin.js';
import { address, other } from './subject.js';
import { theme } from './theme.js';
import { trends } from './trends.js';

const pages = [
  { path: '/console', name: 'Live', show: live },
  { path: '/console/blocked', name: 'Blocked now', show: blocked },
  { path: '/console/subject', name: 'Other subject', show: other },
  { path: '/console/rules', name: 'Rules', show: rules },
  { path: '/console/trends', name: 'Trends', show: trends },
  { path: '/console/about', name: 'About', show: about },
];
const ofAddress = '/console/address/';

const main = h('main', { id: 'main' });
const app = document.getElementById('app');
let who = null;
let leaving = new AbortController();

// draw shows the page that the URL names.
async function draw(focus) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { pathname, search } = window.location;
  const context = { who, signal, go, replace, query: new URLSearchParams(search) };
  let page = pages.find(({ path }) => path === pathname.replace(/\/$/, ''));
  if (pathname.startsWith(ofAddress)) {
    context.ip = decodeURIComponent(pathname.slice(ofAddress.length));
    page = { name: context.ip, show: address };
  }
  document.title = `${page ? page.name : 'Not found'} · fraudcheck`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === pathname) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (!page) {
    show(main, h('h1', { tabindex: '-1' }, 'There is no such page'));
    return;
  }
  show(main, h('h1', { tabindex: '-1' }, page.name));
  const shown = page.show(main, context).catch((error) => {
    if (error.name !== 'AbortError') show(main, h('h1', { tabindex: '-1' }, page.name), failed(error));
  });
  if (focus) main.querySelector('h1').focus();
  await shown;
}

function go(path, query) {
  window.history.pushState(null, '', url(path, query));
  draw(true);
}

// replace changes the URL of the page that is shown.
const replace = (path, query) => window.history.replaceState(null, '', url(path, query));
const url = (path, query) => path + (query && String(query) ? `?${query}` : '');

function frame() {
  const ip = h('input', { id: 'ip', name: 'ip', type: 'search', placeholder: '203.0.113.7', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' });
  const lookUp = (event) => {
    event.preventDefault();
    const text = ip.value.trim();
    if (text) go(ofAddress + encodeURIComponent(text));
  };
  show(app,
    h('header', {}, h('a', { class: 'name', href: '/console' }, 'fraudcheck'),
      h('form', { role: 'search', onsubmit: lookUp }, h('label', { for: 'ip', class: 'heard' }, 'IP address'), ip, h('button', { type: 'submit' }, 'Look up')),
      h('span', { class: 'who' }, theme(), h('span', {}, who.name), h('button', { type: 'button', onclick: signOut }, 'Sign out'))),
    h('nav', { 'aria-label': 'Pages' }, h('ul', {}, pages.map(({ path, name }) => h('li', {}, h('a', { href: path }, name))))), main);
}

async function signOut() {
  try {
    await post('/v1/logout');
  } catch {
    // The session has ended one way or the other, or the form says why not.
  }
  leave();
}

// leave shows the form, and afterwards the page that the URL names.
function leave(why) {
  leaving.abort();
  leaving = new AbortController();
  who = null;
  document.title = 'Sign in · fraudcheck';
  show(app, main);
  signIn(main, why, begin);
}

async function begin() {
  who = await get('/v1/me');
  frame();
  await draw(false);
}

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element && event.target.closest('a[href]');
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || !who) return;
  const { origin, pathname, search } = new URL(link.href);
  if (origin !== window.location.origin || !(pathname === '/console' || pathname.startsWith('/console/')) || pathname.endsWith('.txt')) return;
  event.preventDefault();
  go(pathname, search.slice(1));
});
window.addEventListener('popstate', () => { if (who) draw(true); });

let wasSignedIn = false;
onSignedOut(() => {
  if (who || wasSignedIn) {
    leave('Your session has ended.');
    say('Your session has ended.');
  }
});

begin().then(() => { wasSignedIn = true; }, (error) => {
  if (error.status === 401) leave();
  else show(app, main), show(main, h('h1', { tabindex: '-1' }, 'fraudcheck'), failed(error));
});
