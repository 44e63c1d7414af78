import { byId, element } from "./dom.js";

const storageKey = "millrace-social-me";

/**
 * Who one is: a name, nothing more, since the example has no passwords. It stands in the address
 * (`?as=ada`), so that two windows can be two people.
 */
export class Identity {
  #input = byId("me");
  #changed;
  name;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
    this.name = this.#remembered();
    this.#input.value = this.name;
    byId("identity").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#become();
      this.#input.blur();
    });
    this.#input.addEventListener("change", () => this.#become());
    this.#input.addEventListener("focus", () => this.#input.select());
    addEventListener("popstate", () => this.#become(this.#remembered()));
    this.#announce();
  }

  /** @param {readonly string[]} names */
  suggest(names) {
    byId("known").replaceChildren(...names.map((value) => element("option", { value })));
  }

  #remembered() {
    const asked =
      new URLSearchParams(location.search).get("as") ?? localStorage.getItem(storageKey);
    const name = (asked ?? "ada").toLowerCase();
    return /^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$/.test(name) ? name : "ada";
  }

  #become(name = this.#input.value.trim().toLowerCase()) {
    if (!this.#input.checkValidity()) return this.#input.reportValidity();
    this.#input.value = name;
    if (name === this.name) return;
    this.name = name;
    if (this.#remembered() !== name) history.pushState(null, "", `?as=${encodeURIComponent(name)}`);
    this.#announce();
    this.#changed();
  }

  #announce() {
    localStorage.setItem(storageKey, this.name);
    document.title = `${this.name} · social · Millrace`;
  }
}
