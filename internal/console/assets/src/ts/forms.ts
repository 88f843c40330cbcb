// Forms: sent once, said to be under way, and not left by mistake.
import { untouched } from "./morph";

const fields = (form: HTMLFormElement) => [...form.elements].filter((e) => e instanceof HTMLInputElement ? !["hidden", "submit", "button"].includes(e.type) : e instanceof HTMLTextAreaElement || e instanceof HTMLSelectElement);

// changed reports whether a form has what would be lost: what was typed since,
// or what the hub gave back to be corrected.
function changed(form: HTMLFormElement): boolean {
  return form.dataset["guard"] === "changed" || fields(form).some((e) => e === document.activeElement ? differs(e) : !untouched(e));
}

function differs(e: Element): boolean {
  if (e instanceof HTMLInputElement && (e.type === "checkbox" || e.type === "radio")) return e.checked !== e.defaultChecked;
  return (e instanceof HTMLInputElement || e instanceof HTMLTextAreaElement) && e.value !== e.defaultValue;
}

export function forms(): void {
  let sending = false;
  document.addEventListener("submit", (e) => {
    if (!(e.target instanceof HTMLFormElement) || e.defaultPrevented) return;
    sending = true;
    setTimeout(() => { sending = false; }, 0);
    const button = e.submitter;
    const method = button?.getAttribute("formmethod") ?? e.target.method;
    if (method !== "post") return;
    if (e.target.dataset["sent"]) {
      e.preventDefault();
      return;
    }
    e.target.dataset["sent"] = "true";
    button?.setAttribute("aria-busy", "true");
  });
  // A page that comes back out of the browser's memory can be sent again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent]")) delete form.dataset["sent"];
    for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
  });
  window.addEventListener("beforeunload", (e) => {
    if (!sending && [...document.querySelectorAll<HTMLFormElement>("form[data-guard]:not([data-sent])")].some(changed)) e.preventDefault();
  });
  document.addEventListener("input", (e) => {
    if (e.target instanceof Element) e.target.closest("form[data-guard] .fieldrow")?.classList.toggle("changed", differs(e.target) || e.target instanceof HTMLSelectElement && !untouched(e.target));
  });
  document.addEventListener("click", (e) => {
    const button = e.target instanceof Element ? e.target.closest<HTMLElement>("[data-copy]") : null;
    if (button) void copy(button);
  });
}

// copy puts what an element has into the clipboard, and says so on the button.
async function copy(button: HTMLElement): Promise<void> {
  const from = document.querySelector(button.dataset["copy"]!);
  if (!from) return;
  const word = button.textContent!;
  try {
    await navigator.clipboard.writeText(from instanceof HTMLInputElement || from instanceof HTMLTextAreaElement ? from.value : from.textContent!.trim());
    button.textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(from);
    button.textContent = "Press Ctrl C";
  }
  setTimeout(() => { button.textContent = word; }, 2000);
}
