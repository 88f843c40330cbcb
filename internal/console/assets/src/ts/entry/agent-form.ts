// The plain meaning of a duration or a size stands beside its field, and
// follows what is typed.
function plural(n: number, noun: string): string { return `${n} ${noun}${n === 1 ? "" : "s"}`; }

function duration(text: string): string {
  const m = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text.trim());
  if (!m || !/\d/.test(text)) return "";
  let seconds = Number(m[1] ?? 0) * 604800 + Number(m[2] ?? 0) * 86400 + Number(m[3] ?? 0) * 3600 + Number(m[4] ?? 0) * 60 + Number(m[5] ?? 0);
  if (seconds === 0) return "never";
  const words: string[] = [];
  for (const [unit, name] of [[86400, "day"], [3600, "hour"], [60, "minute"]] as const) {
    const n = Math.floor(seconds / unit);
    if (n > 0) words.push(plural(n, name));
    seconds -= n * unit;
  }
  if (seconds > 0) words.push(`${seconds} s`);
  return words.join(" ");
}

function size(text: string): string {
  if (!/^\d+$/.test(text.trim())) return "";
  let n = Number(text);
  if (n < 1024) return `${n} B`;
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    n /= 1024;
    if (n < 1024 || unit === "TiB") return `${n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : n.toFixed(0)} ${unit}`;
  }
  return "";
}

document.addEventListener("input", (e) => {
  const field = e.target;
  if (!(field instanceof HTMLInputElement)) return;
  const out = field.parentElement?.querySelector(".meaning");
  if (!out) return;
  switch (field.dataset["kind"]) {
    case "duration": out.textContent = duration(field.value); break;
    case "size": out.textContent = size(field.value); break;
  }
});
