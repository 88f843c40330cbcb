// HTML comes from this hub only, escaped there; the browser is told so in one
// place (require-trusted-types-for).
interface Policy { createHTML(html: string): string }
declare global { interface Window { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } } }

const policy: Policy | undefined = window.trustedTypes?.createPolicy("tvilling", { createHTML: (html) => html });

// fragments returns the elements that a piece of HTML of this hub has.
export function fragments(html: string): Element[] {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(html) : html;
  return [...template.content.children];
}
