import { h } from './dom.js';

// The choice of light or dark is all that the browser keeps.
const key = 'fraudcheck theme';
const themes = { auto: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' };

const kept = () => {
  try {
    return localStorage.getItem(key) || 'auto';
  } catch {
    return 'auto';
  }
};

const apply = (name) => {
  if (name === 'auto') document.documentElement.removeAttribute('data-theme');
  else document.documentElement.setAttribute('data-theme', name);
};

apply(kept());

// theme is the button that changes it.
export function theme() {
  const button = h('button', { type: 'button', class: 'theme', onclick: () => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(kept()) + 1) % names.length];
    try {
      localStorage.setItem(key, next);
    } catch {
      // A browser that keeps nothing shows it until the page is left.
    }
    apply(next);
    label(next);
  } });
  const label = (name) => {
    button.textContent = { auto: '◐', light: '○', dark: '●' }[name];
    button.setAttribute('aria-label', themes[name]);
    button.title = themes[name];
  };
  label(kept());
  return button;
}
