// An element becomes like another one while it stays what it is, so that focus,
// selection, scrolling, what is open and what was typed stay.

// becomes makes old like next.
export function becomes(old: Element, next: Element): void {
  if (old.tagName !== next.tagName) {
    old.replaceWith(next);
    return;
  }
  const typed = untouched(old);
  attributes(old, next);
  if (!(old instanceof HTMLTextAreaElement) || typed) children(old, next);
  if (typed) {
    if (old instanceof HTMLInputElement) { old.value = old.defaultValue; old.checked = old.defaultChecked; }
    if (old instanceof HTMLTextAreaElement) old.value = old.defaultValue;
  }
}

// untouched reports whether a field has what the page gave it.
export function untouched(e: Element): boolean {
  // A box without a value has one that differs from its default.
  if (e instanceof HTMLInputElement && (e.type === "checkbox" || e.type === "radio")) return e.checked === e.defaultChecked;
  if (e instanceof HTMLInputElement) return e.value === e.defaultValue && e !== document.activeElement;
  if (e instanceof HTMLTextAreaElement) return e.value === e.defaultValue && e !== document.activeElement;
  if (e instanceof HTMLSelectElement) {
    const given = [...e.options].findIndex((o) => o.defaultSelected);
    return e.selectedIndex === Math.max(0, given) && e !== document.activeElement;
  }
  return true;
}

function attributes(old: Element, next: Element): void {
  // What a reader opened, and where the cursor is, the hub does not know.
  const reader = old instanceof HTMLDetailsElement || old instanceof HTMLDialogElement ? "open" : "";
  const cursor = old.classList.contains("cursor");
  for (const { name } of [...old.attributes]) {
    if (name !== reader && !next.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (name !== reader && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (cursor) old.classList.add("cursor");
}

const key = (n: Node) => (n instanceof Element ? n.id : "");

function children(old: Element, next: Element): void {
  // A choice that was made stays when the choices are drawn anew.
  if (old instanceof HTMLSelectElement && !untouched(old)) return;
  const wanted = new Map<string, Node>();
  for (const n of next.childNodes) if (key(n)) wanted.set(key(n), n);
  const known = new Map<string, Node>();
  for (const n of [...old.childNodes]) {
    if (!key(n)) continue;
    if (wanted.has(key(n))) known.set(key(n), n); else n.remove();
  }
  let at: ChildNode | null = old.firstChild;
  for (const n of [...next.childNodes]) {
    const same = key(n) ? known.get(key(n)) : at && !key(at) && at.nodeName === n.nodeName ? at : undefined;
    if (!same) {
      old.insertBefore(n, at);
      continue;
    }
    if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
    if (same instanceof Element && n instanceof Element) cell(same, n);
    else if (same.nodeValue !== n.nodeValue) same.nodeValue = n.nodeValue;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

// cell makes an element of a row like another one, and has the eye find what
// has changed, unless that is so often that it says nothing (data-quiet).
function cell(old: Element, next: Element): void {
  const changed = old.tagName === "TD" && !next.hasAttribute("data-quiet") && said(old) !== said(next);
  becomes(old, next);
  if (!changed) return;
  old.classList.add("is-new");
  old.addEventListener("animationend", () => old.classList.remove("is-new"), { once: true });
}

// said is what a cell says; that times grow older says nothing new.
const said = (e: Element) => e.innerHTML.replace(/(<time data-ago[^>]*>)[^<]*/g, "$1");
