// What static/js/code-editor.js may use of CodeMirror. esbuild turns this into static/vendor/codemirror.js.
export { EditorView, keymap, placeholder } from "@codemirror/view";
export { Compartment, EditorState } from "@codemirror/state";
export { basicSetup } from "codemirror";
export { indentWithTab } from "@codemirror/commands";
export { indentUnit, syntaxHighlighting } from "@codemirror/language";
export { linter, lintGutter, setDiagnostics } from "@codemirror/lint";
export { classHighlighter } from "@lezer/highlight";
export { python } from "@codemirror/lang-python";
export { json, jsonParseLinter } from "@codemirror/lang-json";
export { javascript } from "@codemirror/lang-javascript";
