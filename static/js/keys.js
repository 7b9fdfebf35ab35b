// Whose key is it? Free of side effects: any module may import it.

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable], .cm-editor") !== null;

/** Whether a plain key press is a shortcut's: no modifier, nobody typing, no dialog in front. */
export function isFreeKey(event) {
  return !(event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]"));
}
