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

// show puts children in place of what the element holds.
export function show(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

let saying;

// say has a screen reader speak the text, once it has spoken what it speaks now. Of several
// within a second it speaks the last.
export function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { document.getElementById('say').textContent = text; }, 300);
}
