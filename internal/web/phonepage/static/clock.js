// The time of the service, and countdowns.

import { h, icon, say } from './dom.js';

let offset = 0; // ms by which the service's clock is ahead of this one

export const clock = {
  now: () => Date.now() + offset,
  set: (ms) => { if (Number.isFinite(ms)) offset = ms - Date.now(); },
};

// countdown shows the time that is left. It tells screen readers three times, not
// every second.
export function countdown(t, from, until, zero) {
  const total = Math.max(1, until - from);
  const text = h('span', { 'aria-hidden': 'true' });
  const bar = h('progress', { max: total, 'aria-label': t('left') });
  const el = h('div', { class: 'countdown' }, icon('clock'), text, bar);
  let timer, marks;
  const tick = () => {
    const left = until - clock.now();
    const seconds = Math.max(0, Math.ceil(left / 1000));
    text.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    bar.value = Math.max(0, Math.min(total, left));
    el.classList.toggle('urgent', seconds <= 10);
    marks ??= [60, 30, 10].filter((n) => n < seconds);
    if (seconds <= marks[0]) {
      say(t('leftSay', { n: seconds }), t.lang);
      marks = marks.filter((n) => n < seconds);
    }
    if (left <= 0) zero();
    else timer = setTimeout(tick, left % 1000 || 1000);
  };
  const wake = () => { if (!document.hidden) { clearTimeout(timer); tick(); } };
  document.addEventListener('visibilitychange', wake);
  return {
    el, start: tick,
    stop: () => { clearTimeout(timer); document.removeEventListener('visibilitychange', wake); },
  };
}
