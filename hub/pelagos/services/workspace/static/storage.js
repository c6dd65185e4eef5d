"use strict";
/* Brings the state up to date without a reload. The page works without it. */
const SECONDS = 10;

async function refresh() {
  const old = document.getElementById("status");
  if (document.hidden || old.contains(document.activeElement)) return;
  try {
    const answer = await fetch(window.location.pathname, {
      headers: { "X-CSRF-Token": old.dataset.csrf },
      redirect: "error",
    });
    if (answer.status === 403) clearInterval(timer); // signed out
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("status");
    if (fresh && fresh.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) {
      old.replaceWith(fresh);
    }
  } catch {
    // the hub or the network is away: what is shown stays, the next round may do better
  }
}

const timer = setInterval(refresh, SECONDS * 1000);
