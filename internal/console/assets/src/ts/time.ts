// Times are shown by how long ago they are, and grow older.
function relative(seconds: number): string | undefined {
  if (seconds < -60) return undefined;
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return undefined; // a date, which stays
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
}
