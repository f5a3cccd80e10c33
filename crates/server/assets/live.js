// Makes pages live. Everything works without it; with it, a page shows what changed without being loaded again.
//
// A region is an element with an id and data-live="TOPIC …": "*" stands for every topic, "beat" for every heartbeat.
// When one of its topics changes, this page is fetched again, and the regions that are meant are replaced. What a person
// is doing stays: a region is left alone while something in it has the focus or was typed into, until that is over.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // The list of pages on a narrow screen.
  const menu = document.getElementById("menu");
  const links = document.getElementById("links");
  if (menu && links) {
    menu.hidden = false;
    menu.addEventListener("click", () => {
      const open = links.classList.toggle("open");
      menu.setAttribute("aria-expanded", String(open));
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && links.classList.contains("open")) {
        links.classList.remove("open");
        menu.setAttribute("aria-expanded", "false");
        menu.focus();
      }
    });
  }

  // "/" goes to the search, unless somebody is writing.
  document.addEventListener("keydown", (event) => {
    const writing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.getElementById("search");
    if (search) { event.preventDefault(); search.focus(); }
  });

  // A command is copied by a click on it.
  document.addEventListener("click", async (event) => {
    const cure = event.target instanceof Element && event.target.closest("[data-copy]");
    if (!cure || !navigator.clipboard || String(getSelection())) return;
    await navigator.clipboard.writeText(cure.textContent.trim());
    say("Copied.", 1500);
  });

  // The page behind a one-time link goes on by itself, but not while a browser only looks ahead.
  const enter = document.querySelector("form[data-auto]");
  if (enter) {
    const go = () => enter.submit();
    if (document.prerendering) document.addEventListener("prerenderingchange", go, { once: true });
    else go();
    return;
  }

  const state = document.getElementById("live-state");
  let quiet;
  function say(text, ms) {
    if (!state) return;
    clearTimeout(quiet);
    state.textContent = text;
    state.hidden = !text;
    if (ms) quiet = setTimeout(() => { state.hidden = true; }, ms);
  }

  if (!document.querySelector("[data-live]") || !window.EventSource) return;

  const wanted = new Set(); // topics whose regions wait to be replaced
  let fetching = false;
  let again; // the timer of the next look
  let last = 0; // when the page was last fetched
  const APART_MS = 1000; // shortest time between two looks
  const LATER_MS = 2000; // how soon it is tried again while somebody works in a region

  const topicsOf = (region) => (region.dataset.live || "").split(/\s+/);
  const isMeant = (region, topics) =>
    topicsOf(region).some((topic) => topics.has(topic) || (topic === "*" && topics.size > 0));

  // Whether somebody works in a region: it has the focus in a field, or a field holds something new.
  function isBusy(region) {
    const focus = document.activeElement;
    if (focus && focus !== document.body && region.contains(focus) && focus.matches("input, textarea, select")) return true;
    return [...region.querySelectorAll("input, textarea, select")].some((field) => {
      if (field.type === "hidden") return false;
      if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
      if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex > 0;
      return field.value !== field.defaultValue;
    });
  }

  // What is open, and where the focus is, by something that is the same in the new region.
  function remember(region) {
    const open = [...region.querySelectorAll("details")].map((one) => one.open);
    const scrolled = [...region.querySelectorAll("[data-scroll]")].map((one) => [one.scrollLeft, one.scrollTop]);
    const focus = region.contains(document.activeElement) ? document.activeElement : null;
    const places = [...region.querySelectorAll("a[href], button, summary")];
    return { open, scrolled, focus: focus ? { id: focus.id, href: focus.getAttribute("href"), at: places.indexOf(focus) } : null };
  }

  function restore(region, was) {
    region.querySelectorAll("details").forEach((one, at) => { if (was.open[at] !== undefined) one.open = was.open[at]; });
    region.querySelectorAll("[data-scroll]").forEach((one, at) => { if (was.scrolled[at]) [one.scrollLeft, one.scrollTop] = was.scrolled[at]; });
    if (!was.focus) return;
    const places = [...region.querySelectorAll("a[href], button, summary")];
    const same = (was.focus.id && document.getElementById(was.focus.id))
      || places.find((one) => was.focus.href && one.getAttribute("href") === was.focus.href) || places[was.focus.at];
    if (same) same.focus({ preventScroll: true });
  }

  function replace(fresh, topics) {
    let left = false;
    for (const region of document.querySelectorAll("[data-live][id]")) {
      if (!isMeant(region, topics)) continue;
      const next = fresh.getElementById(region.id);
      if (!next || next.isEqualNode(region)) continue;
      if (isBusy(region)) { left = true; continue; }
      const was = remember(region);
      const node = document.importNode(next, true);
      region.replaceWith(node);
      restore(node, was);
    }
    return left;
  }

  async function look() {
    if (fetching || wanted.size === 0) return;
    fetching = true;
    last = Date.now();
    const topics = new Set(wanted);
    wanted.clear();
    let wait = APART_MS;
    try {
      const answer = await fetch(location.href, { headers: { "x-antiphon-live": "1" }, redirect: "error", cache: "no-store" });
      if (answer.status === 403) { say("Your session has ended. Run: antiphon open"); source.close(); return; }
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (replace(fresh, topics)) { topics.forEach((topic) => wanted.add(topic)); wait = LATER_MS; }
        say("");
      }
    } catch {
      topics.forEach((topic) => wanted.add(topic));
      say("The node does not answer.");
      wait = LATER_MS;
    } finally {
      fetching = false;
      if (wanted.size > 0) soon(wait);
    }
  }

  function soon(ms) {
    clearTimeout(again);
    again = setTimeout(look, Math.max(0, ms ?? 0, last + APART_MS - Date.now()));
  }

  let source;
  function listen() {
    if (source) return;
    source = new EventSource("/events");
    const hear = (event) => {
      for (const topic of JSON.parse(event.data).topics) wanted.add(topic);
      soon();
    };
    source.addEventListener("hello", (event) => { say(""); hear(event); });
    source.addEventListener("changed", hear);
    source.addEventListener("beat", () => { if (document.querySelector("[data-live~=beat]")) { wanted.add("beat"); soon(); } });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) { say("This page is not live. Load it again to see what is new."); return; }
      say("Waiting for the node …");
    });
  }

  // A page that nobody sees needs no news; when it is seen again, it asks for everything.
  function follow() {
    if (document.visibilityState === "visible") listen();
    else if (source) { source.close(); source = undefined; }
  }
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => { if (source) { source.close(); source = undefined; } });
  follow();
})();
