// Keys of lists and pages. What a key does is what a click on an element does,
// so every key has a button or link that says it.
import { fragments } from "./html";
import { tick } from "./table";

const rowsOf = (root: ParentNode) => [...root.querySelectorAll<HTMLElement>("[data-rows] > [data-href], [data-rows] > :has(input[type=checkbox])")].filter((r) => r.checkVisibility());

// typing reports whether a key belongs to a field.
function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest("[role=textbox]")) return true;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "submit", "reset"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

const seen = <E extends HTMLElement>(root: ParentNode, selector: string) => [...root.querySelectorAll<E>(selector)].find((e) => e.checkVisibility() && !e.hasAttribute("disabled"));

// use clicks an element, or goes into it if it is a field.
function use(e: HTMLElement | undefined): boolean {
  if (!e) return false;
  if (typing(e)) {
    e.focus();
    if (e instanceof HTMLInputElement) e.select();
  } else e.click();
  return true;
}

// The cursor is one row of a list; it is remembered by the row's id, and by
// where it was, for when the row is gone.
let cursor: { id: string; index: number } | undefined;

function find(root: ParentNode): { rows: HTMLElement[]; index: number } {
  const rows = rowsOf(root);
  let index = rows.findIndex((r) => r.classList.contains("cursor"));
  if (index < 0) index = rows.findIndex((r) => r.contains(document.activeElement));
  if (index < 0) index = rows.findIndex((r) => r.matches("[aria-current]:not([aria-current=false])") || r.querySelector("[aria-current]:not([aria-current=false])"));
  return { rows, index };
}

function point(rows: HTMLElement[], index: number, focus = true): void {
  const row = rows[index];
  if (!row) return;
  for (const r of rows) r.classList.toggle("cursor", r === row);
  cursor = { id: row.id, index };
  if (!focus) return;
  row.querySelector<HTMLElement>("a[href]")?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

// again puts the cursor back after rows were drawn anew.
function again(): void {
  if (!cursor) return;
  const rows = rowsOf(document);
  if (!rows.length || rows.some((r) => r.classList.contains("cursor"))) return;
  const index = cursor.id ? rows.findIndex((r) => r.id === cursor!.id) : -1;
  point(rows, index < 0 ? Math.min(cursor.index, rows.length - 1) : index, document.activeElement === document.body);
}

let leader = 0; // until when a letter after g is a page

// row does what a key does with rows of a list.
function row(k: string, root: ParentNode): boolean {
  const { rows, index } = find(root);
  const here = rows[index];
  switch (k) {
    case "j": case "k":
      if (!rows.length) return false;
      point(rows, index < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, index + (k === "j" ? 1 : -1))));
      return true;
    case "o": case "Enter":
      if (!here?.dataset["href"]) return false;
      location.assign(here.dataset["href"]);
      return true;
    case "x": case "X":
      if (!here) return false;
      point(rows, index, false);
      return tick(rows, index, k === "X");
    case ".": {
      const actions = here?.querySelector<HTMLDetailsElement>("details[data-actions]");
      if (!actions) return false;
      actions.open = true;
      actions.querySelector<HTMLElement>("a[href], button:not([disabled])")?.focus();
      return true;
    }
  }
  return false;
}

const page: Record<string, string> = { "/": "#jump", f: "[data-query]", n: "[data-new]", u: "[data-undo]", "[": "a[rel=prev]", "]": "a[rel=next]" };

function press(k: string, root: ParentNode): boolean {
  if (leader > Date.now() && /^[a-z]$/.test(k)) {
    leader = 0;
    return use([...document.querySelectorAll<HTMLAnchorElement>(".nav a")].find((a) => a.textContent!.trim().toLowerCase().startsWith(k)));
  }
  if (use(seen(root, `[data-key="${CSS.escape(k)}"]`)) || row(k, root)) return true;
  if (k === "g") { leader = Date.now() + 1500; return true; }
  if (k === "?") { void help(); return true; }
  return page[k] !== undefined && use(seen(root, page[k]));
}

// help shows all keys, from the same table as the page of keys.
async function help(): Promise<void> {
  let dialog = document.querySelector<HTMLDialogElement>("#keys-help");
  if (!dialog) {
    try {
      const answer = await fetch("/console/keys?part=dialog");
      if (!answer.ok) throw new Error();
      dialog = fragments(await answer.text())[0] as HTMLDialogElement;
      document.body.append(dialog);
    } catch {
      location.assign("/console/keys");
      return;
    }
  }
  dialog.showModal();
}

export function keys(): void {
  document.addEventListener("tvilling:patched", again);
  if (document.body.dataset["keys"] === "off") return;
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.altKey || e.metaKey || e.isComposing) return;
    if (typing(e.composedPath()[0] ?? null)) { // a field may be inside of an element of its own
      if (e.key === "Escape" && e.target instanceof HTMLElement && !e.target.closest("dialog")) e.target.blur();
      return;
    }
    // Enter and blank on what can be pressed are that element's own.
    const on = e.target instanceof Element ? e.target.closest("a, button, summary, input") : null;
    if (on && (e.key === " " || e.key === "Enter")) return;
    if (press(e.key, document.querySelector("dialog[open]") ?? document)) e.preventDefault();
  });
}
