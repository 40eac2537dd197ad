// The few helpers that a page without a framework needs.

// h creates an element with attributes, `on…` listeners and children. Attributes and
// children that are null or false are left out.
export function h(tag, attrs, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

const shapes = {
  check: 'M5 13l4.5 4.5L19 7.5',
  cross: 'M6.5 6.5l11 11M17.5 6.5l-11 11',
  warn: 'M12 7.5v6M12 17v.01',
  clock: 'M12 7v5.5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17',
  home: 'M4 11.5L12 5l8 6.5M6.5 10v9h11v-9',
  list: 'M8.5 7H20M8.5 12H20M8.5 17H20M4.5 7v.01M4.5 12v.01M4.5 17v.01',
  gear: 'M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4',
  phone: 'M8 3.5h8a1.5 1.5 0 0 1 1.5 1.5v14a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 19V5A1.5 1.5 0 0 1 8 3.5zM11 17.5h2',
  lock: 'M7 11h10v8H7zM9 11V8.5a3 3 0 0 1 6 0V11',
  down: 'M12 5v13M6.5 13l5.5 5.5 5.5-5.5',
};

export function icon(name) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  const path = document.createElementNS(ns, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  path.setAttribute('d', shapes[name]);
  svg.append(path);
  return svg;
}

export const badge = (name, tone) => h('div', { class: `badge ${tone}` }, icon(name));

let view;

// show replaces the view with another: {el, close?, focus?}. The focus moves to its
// heading, so that a screen reader announces it.
export function show(next) {
  const old = view;
  view = next;
  old?.close?.();
  // A dialog belongs to the view that opened it and is removed with it. Its close event
  // would come a task later.
  for (const d of document.querySelectorAll('dialog')) {
    d.close();
    d.remove();
  }
  document.getElementById('main').replaceChildren(next.el);
  next.el.lang = next.lang ?? document.documentElement.lang;
  const focus = next.focus ?? next.el.querySelector('h1');
  if (focus?.tagName === 'H1') focus.tabIndex = -1;
  focus?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

// say makes a screen reader speak without moving the focus.
export function say(text, lang) {
  const live = document.getElementById('live');
  live.lang = lang ?? document.documentElement.lang;
  live.textContent = '';
  setTimeout(() => { live.textContent = text; }, 50); // screen readers announce changes only
}

let ids = 0;

// field is a labelled input with a hint and an error. `fail` sets the error or, without
// an argument, clears it.
export function field(label, attrs, hint) {
  const id = `f${++ids}`;
  const error = h('p', { class: 'error', id: id + 'e', role: 'alert' });
  const input = h('input', {
    id, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false',
    'aria-describedby': (hint ? id + 'h ' : '') + id + 'e', ...attrs,
  });
  const el = h('div', { class: 'field' }, h('label', { for: id }, label), input,
    hint && h('p', { class: 'hint', id: id + 'h' }, hint), error);
  const fail = (text) => {
    error.textContent = text ?? '';
    input.toggleAttribute('aria-invalid', false);
    if (!text) return;
    input.setAttribute('aria-invalid', 'true');
    input.focus();
  };
  return { el, input, fail };
}

// form runs `send` on submit, once at a time, with its buttons disabled meanwhile.
export function form(send, ...children) {
  const el = h('form', { novalidate: true, onsubmit: (e) => { e.preventDefault(); run(); } }, ...children);
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    el.setAttribute('aria-busy', 'true');
    try {
      await send();
    } finally {
      running = false;
      el.removeAttribute('aria-busy');
    }
  };
  return el;
}

// dialog opens a modal dialog. The browser keeps the focus inside and restores it.
// `closed` resolves when it is closed.
export function dialog(lang, ...children) {
  const el = h('dialog', { lang, 'aria-labelledby': `d${++ids}` }, ...children);
  el.querySelector('h2').id = `d${ids}`;
  document.body.append(el);
  const closed = new Promise((resolve) => el.addEventListener('close', () => {
    el.remove();
    resolve();
  }));
  el.showModal();
  // While it is busy, its controls do nothing.
  const busy = (on) => {
    if (on) el.setAttribute('aria-busy', 'true');
    else el.removeAttribute('aria-busy');
  };
  return { el, close: () => el.close(), closed, busy };
}

// confirm asks yes or no, in the language of the page or another one.
export async function confirm(title, text, yes, no, lang = null) {
  let answer = false;
  const d = dialog(lang, h('h2', null, title), h('p', null, text), h('div', { class: 'buttons' },
    h('button', { type: 'button', class: 'danger', 'data-do': 'yes', onclick: () => { answer = true; d.close(); } }, yes),
    h('button', { type: 'button', autofocus: true, 'data-do': 'no', onclick: () => d.close() }, no)));
  await d.closed;
  return answer;
}
