// <json-editor> is the editor of a section of a twin. What is no JSON is marked
// while it is typed; what the hub refuses is said by the hub.
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { foldGutter, foldKeymap } from "@codemirror/language";
import { linter, lintKeymap } from "@codemirror/lint";
import type { Extension } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { FieldEditor } from "../editor";

class JSONEditor extends FieldEditor {
  protected extensions(): Extension[] {
    return [
      json(), linter(jsonParseLinter()), lineNumbers(), foldGutter(), EditorView.lineWrapping,
      keymap.of([...foldKeymap, ...lintKeymap]),
      EditorView.theme({ "&": { minHeight: "320px", maxHeight: "min(70vh, 720px)" }, ".cm-scroller": { overflow: "auto" } }),
    ];
  }
}

customElements.define("json-editor", JSONEditor);
