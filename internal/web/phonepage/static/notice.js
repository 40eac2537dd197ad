// Notices: the account changed, and its owner may object.

import { post, ServiceError } from './api.js';
import { badge, h, show } from './dom.js';

// noticeView asks whether the user made a change. read marks the notice as read.
export function noticeView(app, n, read) {
  const { t } = app;
  const problem = h('p', { class: 'error', role: 'alert' });
  const done = async () => {
    await read();
    app.home();
  };
  const object = h('button', { type: 'button', class: 'danger', 'data-do': 'object', onclick: async () => {
    object.disabled = true;
    try {
      await post(app.device, '/object', { id: n.id });
    } catch (e) {
      if (e.code === 'too_new' || e.code === 'unknown') {
        await read();
        return show(answerView(app, e.code === 'too_new' ? 'noticeTooNew' : 'noticeOver'));
      }
      object.disabled = false;
      if (e instanceof ServiceError && e.code === 'unauthorised') return app.handleError(e);
      problem.textContent = app.explain(e);
      return;
    }
    await read();
    show(answerView(app, n.kind === 'app_added' || n.kind === 'recovery_code' ? 'noticeUndone' : 'noticeSuspended'));
  } }, t('noticeObject'));
  const change = `notice_${n.kind}`; // a newer service knows more kinds than an App that was not reloaded
  const el = h('section', { class: 'card', 'data-view': 'notice' }, badge('warn', 'warn'), h('h1', null, t('noticeTitle')),
    h('p', null, t(t.has(change) ? change : 'noticeOther'), n.name && ` (${n.name})`),
    h('p', { class: 'quiet' }, new Date(n.created).toLocaleString(t.locale, { dateStyle: 'medium', timeStyle: 'short' })),
    h('p', { class: 'quiet' }, t('noticeText')), problem,
    h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', 'data-do': 'mine', onclick: done }, t('noticeMine')), object));
  return { el };
}

function answerView(app, key) {
  const { t } = app;
  return { el: h('section', { class: 'card', 'data-view': 'objected' }, badge('check', 'calm'), h('h1', null, t('noticeDone')), h('p', null, t(key)),
    h('button', { type: 'button', class: 'primary wide', onclick: () => app.home() }, t('noticeClose'))) };
}
