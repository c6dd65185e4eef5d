"use strict";
/* Brings the table up to date without a reload: soon while something runs, else now and then.
   What is unfolded stays so, and so does the keyboard's place. The page works without it. */
const BUSY_SECONDS = 2;
const QUIET_SECONDS = 20;

async function refresh() {
  const old = document.getElementById("sources");
  if (document.hidden) return true;
  try {
    const answer = await fetch(window.location.pathname, {
      headers: { "X-CSRF-Token": old.dataset.csrf },
      redirect: "error",
    });
    if (answer.status === 403) return false; // signed out
    if (!answer.ok) return true;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("sources");
    if (fresh && fresh.innerHTML !== old.innerHTML) replace(old, fresh);
  } catch {
    // the hub or the network is away: what is shown stays, the next round may do better
  }
  return true;
}

function replace(old, fresh) {
  for (const one of old.querySelectorAll("details[open]")) {
    const same = one.id && fresh.querySelector(`#${CSS.escape(one.id)}`);
    if (same) same.open = true;
  }
  const here = document.activeElement;
  const unfolded = here && here.tagName === "SUMMARY" ? here.parentElement.id : "";
  const button = here && old.contains(here) ? here.id : "";
  old.replaceWith(fresh);
  if (unfolded) document.getElementById(unfolded)?.querySelector("summary").focus();
  else if (button) document.getElementById(button)?.focus();
}

async function rounds() {
  const busy = document.getElementById("sources").dataset.busy === "yes";
  await new Promise((wake) => setTimeout(wake, (busy ? BUSY_SECONDS : QUIET_SECONDS) * 1000));
  if (await refresh()) rounds();
}

rounds();
