/** Elements without a framework. Texts become text nodes, never markup. */

type Child = Node | string | false | undefined
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/** An element; an attribute value true means an empty value, false and undefined mean no attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name)
  setAttributes(element, attributes)
  element.append(...children.filter((child) => child !== undefined && child !== false))
  return element
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
}

/** Replaces the children; focus is restored by `data-key`. */
export function replaceChildren(parent: Element, ...children: Child[]): void {
  const focused = document.activeElement
  const key = focused && parent.contains(focused) ? focused.getAttribute('data-key') : null
  parent.replaceChildren(...children.filter((child) => child !== undefined && child !== false))
  if (key === null) return
  for (const element of parent.querySelectorAll<HTMLElement>('[data-key]')) {
    if (element.dataset['key'] === key) return element.focus()
  }
}
