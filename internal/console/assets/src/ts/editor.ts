// What the editors of twins and of queries share: an editor in the place of a
// text area, which stays the field of its form. It lives in a shadow root, where
// its styles are sheets that it constructs: the page's policy allows no others.
import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightSpecialChars, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";

// Ink and weight tell the parts of a text apart; colour means severity here.
const look = HighlightStyle.define([
  { tag: [tags.propertyName, tags.keyword, tags.operatorKeyword], fontWeight: "600" },
  { tag: [tags.string, tags.number, tags.bool, tags.null, tags.literal], color: "var(--ink-2)" },
  { tag: [tags.punctuation, tags.separator, tags.brace, tags.squareBracket, tags.comment], color: "var(--ink-3)" },
  { tag: tags.invalid, textDecoration: "underline", textDecorationColor: "var(--high-fill)" },
]);

const theme = EditorView.theme({
  "&": { color: "var(--ink)", background: "var(--surface)", border: "1px solid var(--edge)", borderRadius: "var(--r-2)", fontSize: "var(--t-12)" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", fontVariantLigatures: "none", lineHeight: "20px" },
  ".cm-content": { caretColor: "var(--ink)", padding: "6px 0" },
  ".cm-line": { padding: "0 8px" },
  ".cm-placeholder": { color: "var(--ink-3)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { background: "var(--surface-2)", color: "var(--ink-3)", border: "0", borderInlineEnd: "1px solid var(--line)", borderRadius: "var(--r-2) 0 0 var(--r-2)" },
  ".cm-activeLine, .cm-activeLineGutter": { background: "transparent" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--line-2)" },
  "&.cm-focused .cm-matchingBracket": { background: "var(--selected)", outline: "1px solid var(--edge)" },
  ".cm-specialChar": { color: "var(--ink-2)", border: "1px dashed var(--edge)", borderRadius: "var(--r-1)", padding: "0 2px" },
  ".cm-tooltip": { background: "var(--surface)", color: "var(--ink)", border: "1px solid var(--line-2)", borderRadius: "var(--r-2)", boxShadow: "var(--shadow)", fontSize: "var(--t-12)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "4px 8px", fontFamily: "var(--mono)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--selected)", color: "var(--ink)" },
  ".cm-completionDetail": { color: "var(--ink-3)", fontStyle: "normal" },
  ".cm-diagnostic": { padding: "6px 8px" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--high-fill)" },
  ".cm-lintRange-error": { backgroundImage: "none", borderBottom: "2px solid var(--high-fill)" },
  ".cm-panels": { background: "var(--surface-2)", color: "var(--ink)" },
});

// FieldEditor is an element around a text area or a text field. Until the
// script has come, and where there is none, the field itself is there.
export abstract class FieldEditor extends HTMLElement {
  protected view: EditorView | undefined;

  // extensions are what this kind of editor has besides.
  protected abstract extensions(field: HTMLInputElement | HTMLTextAreaElement): Extension[];

  connectedCallback(): void {
    const field = this.querySelector<HTMLInputElement | HTMLTextAreaElement>("textarea, input");
    if (!field || this.view) return;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const label = this.querySelector("label")?.textContent ?? field.labels?.[0]?.textContent ?? field.getAttribute("aria-label") ?? "";
    const attributes: Record<string, string> = { "aria-label": label.trim(), tabindex: "0", spellcheck: "false", autocapitalize: "off" };
    if (field.getAttribute("aria-invalid") === "true") attributes["aria-invalid"] = "true";
    this.view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: field.value,
        extensions: [
          this.extensions(field), theme, syntaxHighlighting(look), highlightSpecialChars(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap]),
          EditorView.contentAttributes.of(attributes),
          EditorState.readOnly.of(field.readOnly),
          EditorView.updateListener.of((u) => {
            if (!u.docChanged) return;
            field.value = u.state.doc.toString();
            field.dispatchEvent(new Event("input", { bubbles: true }));
          }),
        ],
      }),
    });
    // A label of the field, and whoever focuses it, means the editor.
    for (const l of field.labels ?? []) l.addEventListener("click", (e) => { e.preventDefault(); this.view?.focus(); });
    field.focus = () => this.view?.focus();
    field.form?.addEventListener("reset", () => setTimeout(() => this.set(field.value)));
    if (field.autofocus) this.view.focus();
  }

  disconnectedCallback(): void {
    this.view?.destroy();
    this.view = undefined;
  }

  // set replaces the whole text.
  set(text: string): void {
    this.view?.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
  }
}
