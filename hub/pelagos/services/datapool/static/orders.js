"use strict";
/* Follows the orders, and brings the page up to date when one changes. The page works without it.
   Where the keyboard is stays so. */
const AGAIN_SECONDS = 5;
const PAUSE_SECONDS = 1;

const sleep = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1000));
const headers = () => ({ "X-CSRF-Token": document.getElementById("orders").dataset.csrf });

async function refresh() {
  const answer = await fetch(window.location.href, { headers: headers(), redirect: "error" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("orders");
  const old = document.getElementById("orders");
  if (!fresh || fresh.innerHTML === old.innerHTML) return;
  const here = document.activeElement;
  const focused = here && old.contains(here) ? here.id : "";
  const order = here && old.contains(here) ? here.closest("section")?.dataset.number : "";
  old.replaceWith(fresh);
  if (!focused) return;
  const same = document.getElementById(focused);
  const near = fresh.querySelector(`[data-number="${CSS.escape(order || "")}"] button`);
  (same || near)?.focus();
}

/* Events are only a reason to look: what is shown is always the page's own. */
async function follow() {
  const answer = await fetch(document.getElementById("orders").dataset.events, {
    headers: headers(),
    redirect: "error",
  });
  if (answer.status === 403) return false; // signed out
  if (!answer.ok || !answer.body) return true;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    text += value;
    if (!text.includes("\n\n")) continue;
    const has = text.includes("data:");
    text = text.slice(text.lastIndexOf("\n\n") + 2);
    if (!has) continue;
    await refresh();
    await sleep(PAUSE_SECONDS);
  }
}

async function rounds() {
  for (let goes = true; goes; ) {
    try {
      goes = await follow();
      if (goes) await refresh();
    } catch {
      // the hub or the network is away: what is shown stays, the next round may do better
    }
    await sleep(AGAIN_SECONDS);
  }
}

rounds();
