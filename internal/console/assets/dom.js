// Elements are made here and nowhere else, and texts are always text: whatever a stranger
// chose (a name, a note, a reason) is shown as it is written.

// h makes an element. Properties that begin with "on" are listeners, a list of children may
// hold elements, texts, and null for nothing.
export function h(name, properties, ...children) {
  return fill(document.createElement(name), properties, children);
}

// s makes an SVG element.
export function s(name, properties, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), properties, children);
}

function fill(element, properties, children) {
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'value') element.value = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child);
  }
}

// append adds children to what the element holds.
export const append = (element, ...children) => add(element, children);

// show puts children in place of what the element holds.
export function show(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

// renew makes the children of an element those of the items, and leaves alone what has not
// changed: focus, selection and what a screen reader is reading stay. make returns the
// element of an item; an item is known again by key, and has changed when its JSON has.
export function renew(parent, items, key, make) {
  const before = new Map([...parent.children].map((child) => [child.key, child]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    const version = JSON.stringify(item);
    let child = before.get(id);
    if (!child || child.version !== version) {
      const made = make(item);
      Object.assign(made, { key: id, version });
      if (child) replace(child, made);
      if (child === next) next = made;
      child = made;
    }
    before.delete(id);
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
}

// replace puts one element in place of another, and the focus at what is like that which had
// it; what was open stays open.
function replace(old, made) {
  const open = old.querySelector('details[open]');
  if (open && made.querySelector('details')) made.querySelector('details').open = true;
  const what = 'a, button, input, select, summary';
  const at = [...old.querySelectorAll(what)].indexOf(document.activeElement);
  old.replaceWith(made);
  const heir = made.querySelectorAll(what)[at];
  if (heir) heir.focus({ preventScroll: true });
}

let saying;

// say has a screen reader speak the text, once it has spoken what it speaks now. Of several
// within a third of a second it speaks the last.
export function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { document.getElementById('say').textContent = text; }, 300);
}

// pause ends after so many ms, or when the signal is aborted.
export const pause = (ms, signal) => new Promise((over) => {
  const timer = setTimeout(over, ms);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    over();
  });
});
