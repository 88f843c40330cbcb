import { fragments } from "./html";

// The jump field offers devices whose ids begin with what is typed.
export function jump(): void {
  const field = document.getElementById("jump");
  const list = document.getElementById("jump-list");
  if (!(field instanceof HTMLInputElement) || !(list instanceof HTMLDataListElement)) return;
  let asked = 0;
  let timer: number | undefined;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    const mine = ++asked;
    const text = field.value.trim();
    if (!text) {
      list.replaceChildren();
      return;
    }
    timer = window.setTimeout(async () => {
      try {
        const answer = await fetch("/console/go/suggest?q=" + encodeURIComponent(text));
        if (!answer.ok || mine !== asked) return;
        const offers = fragments(await answer.text());
        if (mine === asked) list.replaceChildren(...offers);
      } catch { /* there are no offers then; the field works without */ }
    }, 120);
  });
}
