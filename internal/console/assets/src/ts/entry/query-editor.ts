// <query-editor> is the editor of a query: the words of the language stand out,
// and what may follow is offered by the hub, which knows the members and values
// of its twins.
import { autocompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { StreamLanguage, type StreamParser } from "@codemirror/language";
import { Prec, type Extension } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { FieldEditor } from "../editor";

const words = new Set("explain select top from join where group order by as and or not in nin like asc desc".split(" "));
const values = new Set("true false null undefined".split(" "));

const language: StreamParser<unknown> = {
  name: "query",
  token(s) {
    if (s.eatSpace()) return null;
    const c = s.next();
    if (c === "'" || c === '"') {
      for (let x = s.next(); x && x !== c; x = s.next()) if (x === "\\") s.next();
      return "string";
    }
    if (!c) return null;
    if (/[0-9]/.test(c)) { s.eatWhile(/[0-9.eE]/); return "number"; }
    if (/[A-Za-z_$]/.test(c)) {
      s.eatWhile(/[\w$]/);
      const w = s.current().toLowerCase();
      return words.has(w) ? "keyword" : values.has(w) ? "bool" : s.peek() === "(" ? "operatorKeyword" : null;
    }
    return /[()[\],]/.test(c) ? "punctuation" : null;
  },
  languageData: { closeBrackets: { brackets: ["(", "[", "'"] } },
};

interface Option { label: string; type: string; detail?: string }

class QueryEditor extends FieldEditor {
  protected extensions(field: HTMLInputElement | HTMLTextAreaElement): Extension[] {
    const address = this.dataset["complete"] ?? "";
    const complete = async (c: CompletionContext): Promise<CompletionResult | null> => {
      const before = c.state.sliceDoc(0, c.pos);
      if (!c.explicit && !/[\w.$'=\s]$/.test(before)) return null;
      const stop = new AbortController();
      c.addEventListener("abort", () => stop.abort());
      try {
        const answer = await fetch(`${address}?${new URLSearchParams({ q: before })}`, { signal: stop.signal, headers: { accept: "application/json" } });
        if (!answer.ok) return null; // signed out, or busy: the query can be typed all the same
        const got = (await answer.json()) as { from: number; options: Option[] };
        return { from: got.from, options: got.options.map((o) => ({ ...o, apply: o.label })), filter: false };
      } catch {
        return null; // the hub is away, or nobody waits for it any more
      }
    };
    const run = () => { field.form?.requestSubmit(); return true; };
    return [
      StreamLanguage.define(language), EditorView.lineWrapping, placeholder(field.placeholder),
      autocompletion({ override: [complete], icons: false, activateOnTyping: true }),
      Prec.highest(keymap.of([{ key: "Mod-Enter", run }])),
      EditorView.theme({ "&": { minHeight: "92px", maxHeight: "320px" }, ".cm-scroller": { overflow: "auto" }, ".cm-content": { minHeight: "80px" } }),
    ];
  }
}

customElements.define("query-editor", QueryEditor);
