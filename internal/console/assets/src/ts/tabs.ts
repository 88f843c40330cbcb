// Tabs that do not fit scroll sideways; the one that is shown is in sight.
export function tabs(): void {
  for (const tab of document.querySelectorAll<HTMLElement>(".tabs [aria-current]")) {
    const row = tab.parentElement;
    if (row === null || row.scrollWidth <= row.clientWidth) continue;
    const [a, b] = [tab.getBoundingClientRect(), row.getBoundingClientRect()];
    row.scrollLeft += a.left - b.left - (b.width - a.width) / 2;
  }
}
