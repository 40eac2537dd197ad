"use strict";
// The pages work without this script. It waits without reloading, shows local times
// and prevents that a form is sent twice.
const wait = document.querySelector("[data-poll]");

async function poll() {
  try {
    const answer = await fetch(wait.dataset.poll, { cache: "no-store" });
    // 403: the session has ended, perhaps because the user said "This was not me".
    if (answer.status === 403 || answer.ok && (await answer.json()).stage !== wait.dataset.stage) {
      location.replace(location.pathname);
      return;
    }
  } catch { /* no network; try later */ }
  setTimeout(poll, 1000);
}
if (wait) setTimeout(poll, 1000);

const lang = document.documentElement.lang;
for (const time of document.querySelectorAll("time")) {
  time.textContent = new Date(time.dateTime).toLocaleString(lang === "en" ? "en-GB" : lang, { dateStyle: "medium", timeStyle: "short" });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => setTimeout(() => { form.querySelectorAll("button").forEach((b) => { b.disabled = true; }); }));
}
// A page from the back/forward cache may belong to a session that has ended.
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
