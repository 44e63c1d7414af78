import { ask } from "./api.js";
import { byId, element, showList } from "./dom.js";
import { count } from "./format.js";
import { avatar, nameButton } from "./names.js";
import { postElement } from "./timeline.js";

export class People {
  #list = byId("persons");
  #dialog = byId("profile");
  #act;
  #me;

  /**
   * @param {(type: string, data?: object) => Promise<void>} act
   * @param {() => string} me
   */
  constructor(act, me) {
    this.#act = act;
    this.#me = me;
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  show(people) {
    showList(
      this.#list,
      people,
      ({ name }) => name,
      (person) => this.#row(person),
    );
    const empty = byId("persons-empty");
    empty.hidden = people.length > 0;
    if (people.length > 0 || empty.hasChildNodes()) return;
    empty.append(
      element("h3", {}, "You are the first one here"),
      element(
        "p",
        {},
        "Whoever writes a post is listed here. For a crowd, run ",
        element("code", {}, "npm run traffic"),
        " beside the system.",
      ),
    );
  }

  clear() {
    this.#list.replaceChildren();
    delete this.#list.dataset.shown;
    byId("persons-empty").hidden = true;
  }

  /** Shows a person's own posts, and how many follow them. */
  async open(name) {
    const profile = await ask("timelines/profile", name).catch(() => undefined);
    if (profile === undefined) return;
    const mine = await ask("timelines/profile", this.#me()).catch(() => ({ follows: [] }));
    this.#dialog.replaceChildren(
      element(
        "header",
        { class: "section-head" },
        element("h2", { id: "profile-title" }, avatar(name), name),
        element(
          "button",
          { type: "button", class: "quiet", onclick: () => this.#dialog.close() },
          "Close",
        ),
      ),
      element(
        "p",
        { class: "small" },
        `${count(profile.followers, "follower")}, follows ${count(profile.follows.length, "person", "people")}`,
      ),
      name === this.#me()
        ? element("p", { class: "small" }, "This is you.")
        : this.#followButton(name, mine.follows.includes(name)),
      profile.posts.length === 0
        ? element("p", { class: "empty" }, `${name} has not written yet.`)
        : element("ol", { class: "posts" }, ...profile.posts.map(postElement)),
    );
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #row({ name, posts, followed }) {
    return element(
      "li",
      { class: "person" },
      avatar(name),
      element(
        "span",
        { class: "person-name" },
        nameButton(name),
        element("span", { class: "small" }, count(posts, "post")),
      ),
      this.#followButton(name, followed),
    );
  }

  #followButton(name, followed) {
    const button = element(
      "button",
      {
        type: "button",
        class: "follow",
        "aria-pressed": String(followed),
        "aria-label": `Follow ${name}`,
        onclick: async () => {
          const next = button.getAttribute("aria-pressed") !== "true";
          button.setAttribute("aria-pressed", String(next));
          button.textContent = next ? "Following" : "Follow";
          await this.#act(next ? "user.followed" : "user.unfollowed", { follows: name });
        },
      },
      followed ? "Following" : "Follow",
    );
    return button;
  }
}
