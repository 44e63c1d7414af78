import { byId, element, showList } from "./dom.js";
import { timeElement } from "./format.js";
import { avatar, nameButton, withMentions } from "./names.js";

const noticeElement = ({ by, post, text, at, read }) =>
  element(
    "li",
    { class: "notice", "data-read": String(read) },
    avatar(by),
    element(
      "article",
      {},
      element(
        "p",
        { class: "byline" },
        element("span", {}, nameButton(by), " mentioned you"),
        timeElement(at),
        !read && element("span", { class: "fresh" }, "new"),
      ),
      withMentions(text),
    ),
    element(
      "button",
      {
        type: "button",
        class: "way",
        "data-trace": post,
        "data-text": text,
        title: "The way of this post",
      },
      element("span", { class: "hidden" }, `The way of the post by ${by}`),
    ),
  );

export class Notifications {
  #list = byId("notices");
  #mentions = byId("mentions");

  /** @param {(type: string, data?: object) => Promise<void>} act */
  constructor(act) {
    byId("mark-read").addEventListener("click", () => act("notifications.read"));
    this.#mentions.addEventListener("change", () =>
      act("settings.changed", { mentions: this.#mentions.checked }),
    );
  }

  show(notices, unread) {
    showList(this.#list, notices, (notice) => notice.id, noticeElement);
    byId("mark-read").hidden = unread === 0;
    for (const badge of document.querySelectorAll("[data-unread]")) {
      badge.hidden = unread === 0;
      badge.textContent = unread === 0 ? "" : `${unread} new`;
    }
    this.#showEmpty(notices.length === 0);
  }

  showSettings({ mentions }) {
    this.#mentions.checked = mentions;
  }

  clear() {
    this.#list.replaceChildren();
    delete this.#list.dataset.shown;
    byId("notices-empty").hidden = true;
  }

  #showEmpty(empty) {
    const node = byId("notices-empty");
    node.hidden = !empty;
    if (!empty) return;
    const me = byId("me").value;
    const other = me === "grace" ? "ada" : "grace";
    if (node.dataset.for === me) return;
    node.dataset.for = me;
    node.replaceChildren(
      element("h3", {}, "Nobody has mentioned you yet"),
      element(
        "p",
        {},
        "Open this page ",
        element("a", { href: `?as=${other}`, target: "_blank", rel: "noopener" }, `as ${other}`),
        ` in a second window and write something to @${me}: it appears here by itself.`,
      ),
    );
  }
}
