import { byId, element, showList } from "./dom.js";
import { count, timeElement } from "./format.js";
import { avatar, nameButton, withMentions } from "./names.js";

/** How many posts the query answers at most. */
const postsMax = 50;

export const postElement = ({ id, author, text, at }) =>
  element(
    "li",
    { class: "post" },
    avatar(author),
    element(
      "article",
      {},
      element("p", { class: "byline" }, nameButton(author), timeElement(at)),
      withMentions(text),
    ),
    element(
      "button",
      {
        type: "button",
        class: "way",
        "data-trace": id,
        "data-text": text,
        title: "The way of this post",
      },
      element("span", { class: "hidden" }, `The way of the post by ${author}`),
    ),
  );

export class Timeline {
  #list = byId("posts");

  /** @param {readonly {id: string, author: string, text: string, at: string}[]} posts */
  show(posts) {
    showList(this.#list, posts, (post) => post.id, postElement);
    byId("posts-empty").hidden = posts.length > 0;
    byId("timeline-count").textContent =
      posts.length === 0
        ? ""
        : posts.length < postsMax
          ? count(posts.length, "post")
          : `the newest ${postsMax} posts`;
  }

  clear() {
    this.#list.replaceChildren();
    delete this.#list.dataset.shown;
    byId("posts-empty").hidden = true;
    byId("timeline-count").textContent = "";
  }
}
