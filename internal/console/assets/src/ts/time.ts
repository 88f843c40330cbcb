// Times are shown by how long ago they are, and grow older.

// since is a span of time in its largest unit.
export function since(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

function relative(seconds: number): string | undefined {
  if (seconds < -60 || seconds >= 86400) return undefined; // a date, which stays
  return seconds < 1 ? "now" : `${since(seconds)} ago`;
}

function update(): void {
  const now = Date.now();
  for (const t of document.querySelectorAll<HTMLTimeElement>("time[data-ago]")) {
    const text = relative((now - Date.parse(t.dateTime)) / 1000);
    if (text !== undefined && t.textContent !== text) t.textContent = text;
  }
}

export function times(): void {
  update();
  setInterval(() => { if (!document.hidden) update(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
}
