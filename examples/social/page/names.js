import { element } from "./dom.js";

const mention = /(?<![\w@.-])@([a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?)(?![\w@])/gi;

/** A colour of one's own: the same name always has the same of twelve hues. */
function hueOf(name) {
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return ((Math.imul(hash, 0x9e3779b1) >>> 20) % 12) * 30;
}

export const avatar = (name) =>
  element(
    "span",
    { class: "avatar", "aria-hidden": "true", style: { "--hue": String(hueOf(name)) } },
    name.charAt(0),
  );

/** A name that opens the person's profile; main.js listens for all of them. */
export const nameButton = (name, text = name) =>
  element("button", { type: "button", class: "name", "data-profile": name }, text);

/** A post's text with the people it mentions as buttons. */
export function withMentions(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(mention)) {
    parts.push(text.slice(end, found.index), nameButton(found[1].toLowerCase(), found[0]));
    end = found.index + found[0].length;
  }
  return element("p", { class: "words" }, ...parts, text.slice(end));
}
