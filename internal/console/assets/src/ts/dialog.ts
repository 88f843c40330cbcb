// A link or button with data-dialog opens a dialog of the page; without
// JavaScript the link leads to a page with the same form.
export function dialogs(): void {
  document.addEventListener("click", (e) => {
    if (!(e.target instanceof Element) || e.ctrlKey || e.metaKey || e.shiftKey) return;
    const opener = e.target.closest<HTMLElement>("[data-dialog]");
    const dialog = opener && document.getElementById(opener.dataset["dialog"]!);
    if (dialog instanceof HTMLDialogElement) {
      e.preventDefault();
      dialog.showModal();
      return;
    }
    if (e.target.closest("dialog [data-close]")) {
      e.preventDefault();
      e.target.closest("dialog")!.close();
    }
    // A menu of actions closes when something else is clicked.
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-actions][open]")) if (!menu.contains(e.target)) menu.open = false;
  });
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape" || !(e.target instanceof Element)) return;
    const menu = e.target.closest<HTMLDetailsElement>("details[data-actions][open], details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector<HTMLElement>("summary")?.focus();
  });
}
