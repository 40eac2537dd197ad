"use strict";
// The pages work without this: it waits without reloading, tells times in the
// reader's own zone, and keeps a form from being sent twice.
const wait = document.querySelector("[data-poll]");

async function poll() {
  try {
    const answer = await fetch(wait.dataset.poll, { cache: "no-store" });
    if (answer.ok && !(await answer.json()).waiting) {
      location.replace(location.pathname);
      return;
    }
  } catch { /* no network for now */ }
  setTimeout(poll, 1000);
}
if (wait) setTimeout(poll, 1000);

const lang = document.documentElement.lang;
for (const time of document.querySelectorAll("time")) {
  time.textContent = new Date(time.dateTime).toLocaleString(lang === "en" ? "en-GB" : lang, { dateStyle: "medium", timeStyle: "short" });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => setTimeout(() => { form.querySelector("button").disabled = true; }));
}
// A page that the browser kept may be of a session that has ended.
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
