// <textarea data-editor="python|json|javascript|text"> becomes a CodeMirror editor. The textarea stays the form's field: the editor
// writes back into it and fires input and change. data-error-line and data-error-text mark a problem at its line.
const source = document.querySelector("meta[name=codemirror]").content;
// The nonce of the page that was loaded first: its policy stays in force when htmx swaps parts in later.
const nonce = document.querySelector("meta[name=csp-nonce]").content;
let loading = null;

const load = () => (loading ??= import(source));

function language(cm, name) {
  switch (name) {
    case "python": return [cm.python(), cm.indentUnit.of("    ")];
    case "json": return [cm.json(), cm.linter(cm.jsonParseLinter())];
    case "javascript": return cm.javascript();
    default: return [];
  }
}

// Colours come from our tokens, so that both themes need one definition.
function look(cm) {
  return cm.EditorView.theme({
    "&": { backgroundColor: "transparent", color: "var(--ink)" },
    "&.cm-focused": { outline: "none" },
    ".cm-content": { caretColor: "var(--ink)", padding: "8px 0" },
    ".cm-cursor": { borderLeftColor: "var(--ink)" },
    ".cm-gutters": { backgroundColor: "var(--surface-2)", color: "var(--ink-3)", borderRight: "1px solid var(--line)" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "light-dark(#d3d4fb, #34367a)" },
    ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--line-strong)" },
    ".cm-tooltip, .cm-panels": { backgroundColor: "var(--surface)", color: "var(--ink)", border: "1px solid var(--line)" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--ink)" },
    ".cm-foldPlaceholder": { backgroundColor: "var(--surface-3)", border: "0", color: "var(--ink-2)" },
    ".cm-diagnostic": { borderLeft: "3px solid var(--error)" },
    ".cm-searchMatch": { backgroundColor: "var(--waiting-soft)" },
  });
}

function markError(cm, view, area) {
  const number = Number(area.dataset.errorLine);
  if (!number || number > view.state.doc.lines) return;
  const line = view.state.doc.line(number);
  view.dispatch(cm.setDiagnostics(view.state, [{ from: line.from, to: line.to, severity: "error", message: area.dataset.errorText || "Problem on this line" }]));
  // Only the editor scrolls: the page stays where the person is.
  view.requestMeasure({ read: () => view.lineBlockAt(line.from).top, write: (top) => { view.scrollDOM.scrollTop = Math.max(0, top - 80); } });
}

function label(area) {
  return area.getAttribute("aria-label") || area.labels?.[0]?.textContent.trim() || "Code";
}

function announce(area, text, event) {
  area.value = text;
  area.dispatchEvent(new Event(event, { bubbles: true }));
}

async function enhance(area) {
  area.setAttribute("data-editor-ready", "");
  const cm = await load();
  if (!area.isConnected) return;
  const home = document.createElement("div");
  home.className = "editor";
  home.setAttribute("data-own", "");
  area.before(home);
  let edited = false;
  const view = new cm.EditorView({
    parent: home,
    doc: area.value,
    extensions: [
      cm.EditorView.cspNonce.of(nonce),
      cm.basicSetup,
      cm.keymap.of([{ key: "Mod-Enter", run: () => { area.form?.requestSubmit(); return true; } }, ...(area.dataset.tabs === "indent" ? [cm.indentWithTab] : [])]),
      cm.syntaxHighlighting(cm.classHighlighter),
      cm.lintGutter(),
      language(cm, area.dataset.editor),
      look(cm),
      cm.EditorView.lineWrapping,
      cm.EditorState.readOnly.of(area.readOnly || area.disabled),
      cm.EditorView.contentAttributes.of({ "aria-label": label(area) }),
      cm.EditorView.updateListener.of((update) => {
        if (update.docChanged) { edited = true; announce(area, update.state.doc.toString(), "input"); }
        if (update.focusChanged && !update.view.hasFocus && edited) { edited = false; announce(area, update.state.doc.toString(), "change"); }
      }),
    ],
  });
  area.hidden = true;
  area.form?.addEventListener("reset", () => setTimeout(() => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: area.value } })));
  // A label's click, and tests that fill by label, reach the editor.
  for (const element of area.labels ?? []) element.addEventListener("click", () => view.focus());
  area.addEventListener("editor:set", (event) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: event.detail } }));
  markError(cm, view, area);
}

function enhanceAll(scope) {
  for (const area of scope.querySelectorAll("textarea[data-editor]:not([data-editor-ready])")) enhance(area);
}

enhanceAll(document);
document.addEventListener("htmx:afterSettle", () => enhanceAll(document));
