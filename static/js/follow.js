// Elements with data-follow stay at their end while new text arrives, unless the person has scrolled up.
const NEAR = 48;
const following = new WeakMap();

function isAtEnd(element) {
  return element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
}

function adopt(element) {
  if (following.has(element)) return;
  following.set(element, true);
  element.scrollTop = element.scrollHeight;
  element.addEventListener("scroll", () => following.set(element, isAtEnd(element)), { passive: true });
}

function follow(element) {
  adopt(element);
  if (following.get(element)) element.scrollTop = element.scrollHeight;
}

for (const element of document.querySelectorAll("[data-follow]")) adopt(element);
new MutationObserver((changes) => {
  const touched = new Set();
  for (const change of changes) {
    const origin = change.target instanceof Element ? change.target : change.target.parentElement;
    for (let element = origin?.closest("[data-follow]"); element; element = element.parentElement?.closest("[data-follow]")) touched.add(element);
    for (const node of change.addedNodes) if (node instanceof Element) for (const element of node.querySelectorAll("[data-follow]")) touched.add(element);
  }
  touched.forEach(follow);
}).observe(document.body, { childList: true, subtree: true, characterData: true });
