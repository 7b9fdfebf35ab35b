// What a morph of live rows leaves alone: what the person opened or closed, and what they are typing.
const callbacks = window.Idiomorph.defaults.callbacks;

callbacks.beforeAttributeUpdated = (name, node) => {
  if (name === "open" && node.matches("details[data-keep-open], dialog")) return false;
  if (name === "value" && node === document.activeElement) return false;
  return true;
};
// An element with data-own belongs to a script of the page (a mounted editor, a resize handle).
callbacks.beforeNodeMorphed = (node) => !(node instanceof Element && node.hasAttribute("data-own"));
callbacks.beforeNodeRemoved = (node) => !(node instanceof Element && node.hasAttribute("data-own"));
