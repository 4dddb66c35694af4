"use strict";

// Copy buttons beside what is worth copying; without this file it can be selected with one click.
for (const code of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${code.dataset.copy}`);
  button.addEventListener("click", async () => {
    button.textContent = await copied(code) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  code.after(button);
}

// Where the browser gives no clipboard (no TLS), the text is selected, and a key copies it.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return false;
  }
}

// A page that tells where its events come from is read again when one has come, and its live part put in place.
const live = document.getElementById("live");
if (live && live.dataset.events && window.EventSource) follow(live, document.getElementById("announce"));

function follow(part, announce) {
  const SOON = 300, LATEST = 2000, AGAIN = 5000; // milliseconds
  let timer = 0, first = 0, reading = false, missed = false, news = [];

  function changed(what) {
    if (what) news.push(what);
    const now = Date.now();
    first = first || now;
    clearTimeout(timer);
    timer = setTimeout(read, Math.max(0, Math.min(SOON, first + LATEST - now)));
  }

  async function read() {
    if (reading) { missed = true; return; }
    reading = true;
    first = 0;
    const told = news;
    news = [];
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const differs = show(page.getElementById("live"));
      if (differs || told.length) announce.textContent = told.slice(-3).join("; ") || "The table has changed";
    } catch {
      news.unshift(...told);
      setTimeout(changed, AGAIN);
    }
    reading = false;
    if (missed) { missed = false; changed(); }
  }

  function show(fresh) {
    if (!fresh) return false;
    const before = cells(part), after = cells(fresh);
    const differ = [...after].filter(([place, cell]) => state(before.get(place)) !== state(cell)).map(([, cell]) => cell);
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scrolled = part.querySelector(".scroll")?.scrollLeft ?? 0;
    part.replaceChildren(...fresh.childNodes);
    if (differ.length < after.size) for (const cell of differ) cell.classList.add("changed");
    const scroll = part.querySelector(".scroll");
    if (scroll) scroll.scrollLeft = scrolled;
    if (focused) [...part.querySelectorAll("a")].find(link => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
    return differ.length > 0 || before.size !== after.size;
  }

  // Each cell by its row and column.
  function cells(within) {
    const found = new Map();
    for (const row of within.querySelectorAll("tbody tr")) {
      for (const cell of row.querySelectorAll("td")) found.set(`${row.querySelector("code")?.title} ${cell.cellIndex}`, cell);
    }
    return found;
  }

  function state(cell) { return cell?.querySelector("b")?.textContent ?? ""; }

  function tell(event) {
    let data = {};
    try { data = JSON.parse(event.data); } catch { /* the page itself says what is so */ }
    const what = [data.distro, data.distro_version, (data.archs || []).join(", ")].filter(Boolean).join(" ");
    changed(data.sha1 ? `${data.kind} ${data.status}: ${what || "build"} of ${String(data.sha1).slice(0, 10)}` : "");
  }

  // The page was read before the stream began, and whoever was away may have missed something: each opening reads again.
  function listen() {
    const opened = new EventSource(part.dataset.events);
    opened.addEventListener("open", () => changed());
    opened.addEventListener("reset", () => changed());
    opened.addEventListener("repo", tell);
    opened.addEventListener("build", tell);
    // A browser comes back by itself after a lost connection, but not after an answer such as 503.
    opened.addEventListener("error", () => {
      if (opened.readyState === EventSource.CLOSED) setTimeout(() => { if (events === opened) events = listen(); }, AGAIN);
    });
    return opened;
  }

  // Browsers open few connections to one server, and a page that nobody sees needs none.
  let events = document.hidden ? null : listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { events?.close(); events = null; } else events ??= listen();
  });
  addEventListener("pagehide", () => { events?.close(); events = null; });
  addEventListener("pageshow", event => { if (event.persisted && !document.hidden) events ??= listen(); });
}
