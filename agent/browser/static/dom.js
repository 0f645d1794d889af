// Making elements. Text is always text: nothing here parses HTML.

function made(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        node.setAttribute(name, value)
    }
    node.append(...children)
    return node
}

export const element = (tag, attributes = {}, children = []) => made(document.createElement(tag), attributes, children)

export const svg = (tag, attributes = {}, children = []) =>
    made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children)

export const byId = id => document.getElementById(id)
