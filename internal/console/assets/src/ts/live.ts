// Parts of a page are kept current by a stream: HTML of elements with ids, each
// of which the element of the page with that id becomes like. What a reader is
// doing stays.
import { fragments } from "./html";
import { becomes } from "./morph";
import { listen } from "./stream";
import { since } from "./time";

type State = "live" | "paused" | "lost" | "ended";

// mark says at the head of the page how current it is. Only the word is read
// out; its age is for the eye, and counts on.
function mark(state: State, text: string, more: { link?: string; age?: string } = {}): void {
  const element = document.getElementById("live");
  if (!element) return;
  element.dataset["state"] = state;
  const use = element.querySelector("use");
  use?.setAttribute("href", (use.getAttribute("href") ?? "").replace(/#.*/, state === "live" ? "#on" : "#off"));
  const word = element.querySelector("[data-word]");
  if (word && word.textContent !== text) {
    word.replaceChildren(text);
    if (more.link) {
      const a = document.createElement("a");
      a.href = more.link;
      a.textContent = text;
      word.replaceChildren(a);
    }
  }
  const age = element.querySelector("[data-age]");
  if (age) age.textContent = more.age ?? "";
}

export function patch(html: string): void {
  for (const next of fragments(html)) {
    const old = next.id ? document.getElementById(next.id) : null;
    if (old) becomes(old, next);
  }
  document.dispatchEvent(new CustomEvent("tvilling:patched"));
}

// final are answers that trying again does not change.
const final: Record<number, string> = { 403: "Not allowed any more", 404: "No longer there" };

export function live(): void {
  const address = document.body.dataset["live"];
  if (!address) return;
  let stop: AbortController | undefined;
  let current = Date.now(); // the last sign of life
  let attempt = 0;
  let reason = "";
  let retry: number | undefined;
  let clock: number | undefined;

  const close = () => { stop?.abort(); stop = undefined; clearTimeout(retry); clearInterval(clock); };
  const lost = () => mark("lost", reason || "Connection lost", { age: `${since((Date.now() - current) / 1000)} old` });

  async function open(): Promise<void> {
    close();
    const mine = stop = new AbortController();
    const status = await listen(address!, mine.signal, {
      opened() { clearInterval(clock); },
      alive() { current = Date.now(); attempt = 0; reason = ""; mark("live", "Live"); },
      event(name, data) { if (name === "patch") patch(data); else if (name === "trouble") reason = data; },
    });
    if (mine.signal.aborted) return;
    close();
    if (status === 401) {
      mark("ended", "Signed out", { link: `/console/sign-in?to=${encodeURIComponent(location.pathname + location.search)}` });
      return;
    }
    if (final[status]) {
      mark("ended", final[status]);
      return;
    }
    lost();
    clock = window.setInterval(lost, 1000);
    // Not all pages at once when a hub comes back.
    retry = window.setTimeout(open, Math.min(10_000, 400 * 2 ** Math.min(attempt++, 5)) * (0.5 + Math.random()));
  }

  let held = false; // the reader has asked for a pause
  const update = () => {
    if (document.getElementById("live")?.dataset["state"] === "ended") return;
    if (document.hidden || held) { close(); mark("paused", "Paused"); } else void open();
  };
  document.addEventListener("visibilitychange", update);
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-pause]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      held = !held;
      button.textContent = held ? "Go on" : "Pause";
      update();
    });
  }
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (e) => { if (e.persisted) update(); });
  if (!document.hidden) void open();
}
