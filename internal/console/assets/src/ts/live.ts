// Parts of a page are kept current by a stream of server-sent events: HTML of
// elements with ids, each of which takes the place of the one that the page
// has. What a reader is doing stays: focus, what was typed and ticked, what was
// opened.
import { fragments } from "./html";

const state = () => document.getElementById("live");

function show(name: "live" | "paused" | "lost", text: string, icon: string): void {
  const mark = state();
  if (!mark) return;
  mark.dataset["state"] = name;
  const use = mark.querySelector("use");
  if (use) use.setAttribute("href", (use.getAttribute("href") ?? "").replace(/#.*/, "#" + icon));
  const word = mark.querySelector("span");
  if (word && word.textContent !== text) word.textContent = text;
}

// keep takes what the reader did with an element over to the one that replaces it.
function keep(from: Element, to: Element): void {
  for (const input of to.querySelectorAll<HTMLInputElement>("input[type=checkbox][value]")) {
    const old = from.querySelector<HTMLInputElement>(`input[type=checkbox][value="${CSS.escape(input.value)}"]`);
    if (old) input.checked = old.checked;
  }
  for (const details of to.querySelectorAll<HTMLDetailsElement>("details[id]")) {
    const old = from.querySelector<HTMLDetailsElement>("#" + CSS.escape(details.id));
    if (old) details.open = old.open;
  }
  if (from.classList.contains("cursor")) to.classList.add("cursor");
}

// path finds the element of a copy that stands where one of the original does.
function place(root: Element, element: Element): number[] {
  const steps: number[] = [];
  for (let e: Element = element; e !== root; e = e.parentElement!) steps.unshift([...e.parentElement!.children].indexOf(e));
  return steps;
}

export function patch(html: string): void {
  for (const next of fragments(html)) {
    const old = next.id ? document.getElementById(next.id) : null;
    if (!old) continue;
    if (old.contains(document.activeElement) && old.querySelector("input:focus:not([type=checkbox]), textarea:focus, select:focus")) continue; // typed into: it waits
    const focused = old.contains(document.activeElement) ? place(old, document.activeElement!) : undefined;
    keep(old, next);
    if (old.tagName === "TR") {
      [...next.children].forEach((cell, i) => { if (old.children[i] && old.children[i].innerHTML !== cell.innerHTML) cell.classList.add("is-new"); });
    }
    old.replaceWith(next);
    if (focused) {
      let e: Element | undefined = next;
      for (const i of focused) e = e?.children[i];
      if (e instanceof HTMLElement) e.focus({ preventScroll: true });
    }
  }
  document.dispatchEvent(new CustomEvent("tvilling:patched"));
}

export function live(): void {
  const address = document.body.dataset["live"];
  if (!address) return;
  let source: EventSource | undefined;
  let lostAt = 0;
  let attempt = 0;
  let retry: number | undefined;

  const close = () => { source?.close(); source = undefined; clearTimeout(retry); };
  const lost = () => {
    close();
    if (!lostAt) lostAt = Date.now();
    const age = Math.round((Date.now() - lostAt) / 1000);
    show("lost", age < 2 ? "Connection lost" : `Connection lost ${age} s ago`, "off");
    attempt++;
    // Not all pages at once when a hub comes back.
    retry = window.setTimeout(open, Math.min(15000, 500 * 2 ** Math.min(attempt, 5)) * (0.5 + Math.random()));
  };
  function open(): void {
    close();
    source = new EventSource(address!);
    source.addEventListener("open", () => { lostAt = 0; attempt = 0; show("live", "Live", "on"); });
    source.addEventListener("patch", (e) => patch((e as MessageEvent<string>).data));
    source.addEventListener("trouble", (e) => { close(); show("lost", (e as MessageEvent<string>).data, "off"); });
    source.addEventListener("error", lost);
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); show("paused", "Paused", "off"); } else open();
  });
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
}
