// Lists: rows that can be clicked, ticked one by one, as a range or all, and
// the bar that says how many are. The bar shows by CSS alone.

const boxes = (root: ParentNode) => [...root.querySelectorAll<HTMLInputElement>("[data-rows] input[type=checkbox]")];
let last: HTMLInputElement | undefined; // the last box that was ticked by itself

// tick turns the box of a row; with range, all boxes from the last one to it
// become as that one is.
export function tick(rows: HTMLElement[], index: number, range: boolean): boolean {
  const box = rows[index]?.querySelector<HTMLInputElement>("input[type=checkbox]");
  if (!box) return false;
  if (range) span(box); else { box.checked = !box.checked; last = box; }
  count(box.form ?? document);
  return true;
}

function span(to: HTMLInputElement): void {
  const all = boxes(to.form ?? document);
  const from = last && all.includes(last) ? all.indexOf(last) : all.indexOf(to);
  const end = all.indexOf(to);
  const value = last?.checked ?? true;
  for (const box of all.slice(Math.min(from, end), Math.max(from, end) + 1)) box.checked = value;
}

// count writes how many rows are ticked.
function count(root: ParentNode): void {
  const all = boxes(root);
  const ticked = all.filter((b) => b.checked).length;
  for (const e of root.querySelectorAll("[data-bulk-count]")) {
    const text = String(ticked);
    if (e.textContent !== text) e.textContent = text;
  }
  for (const e of root.querySelectorAll<HTMLInputElement>("input[data-all]")) {
    e.checked = ticked > 0 && ticked === all.length;
    e.indeterminate = ticked > 0 && ticked < all.length;
  }
}

const countAll = () => { for (const e of document.querySelectorAll("[data-bulk-count]")) count(e.closest("form") ?? document); };

export function tables(): void {
  document.addEventListener("click", (e) => {
    if (!(e.target instanceof Element)) return;
    if (e.target instanceof HTMLInputElement && e.target.type === "checkbox" && e.target.closest("[data-rows]")) {
      if (e.shiftKey) span(e.target); else last = e.target;
      count(e.target.form ?? document);
      return;
    }
    const row = e.target.closest<HTMLElement>("[data-rows] > [data-href]");
    if (!row || e.defaultPrevented || e.target.closest("a, button, input, select, textarea, summary, details, label, dialog")) return;
    if (getSelection()?.isCollapsed === false) return; // text is being selected
    if (e.ctrlKey || e.metaKey) window.open(row.dataset["href"], "_blank", "noopener"); else location.assign(row.dataset["href"]!);
  });
  document.addEventListener("change", (e) => {
    if (!(e.target instanceof HTMLInputElement) || !e.target.matches("[data-all]")) return;
    const root = e.target.form ?? document;
    for (const box of boxes(root)) box.checked = e.target.checked;
    count(root);
  });
  document.addEventListener("tvilling:patched", countAll);
  window.addEventListener("pageshow", countAll); // a browser keeps ticks when it goes back
  countAll();
}
