import { Problem } from "./api.js";
import { byId } from "./dom.js";

const betweenMs = 2_000;
const retryMs = [1_000, 2_000, 4_000, 8_000];

const wait = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });

/**
 * Asks again and again, gently: every two seconds while the page is seen, not at all while it is
 * hidden. When an answer fails to come it says so, tries again after 1, 2, 4 and then every 8
 * seconds, and goes on by itself once it works.
 */
export class Connection {
  #refresh;
  #failures = 0;
  #turn = new AbortController();

  /** @param {() => Promise<void>} refresh */
  constructor(refresh) {
    this.#refresh = refresh;
    byId("connection-retry").addEventListener("click", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    addEventListener("online", () => this.now());
  }

  async run() {
    for (;;) {
      this.#turn = new AbortController();
      const { signal } = this.#turn;
      try {
        await this.#refresh();
        this.#failures = 0;
        this.#show("live", "Live");
        await wait(document.hidden ? 2 ** 30 : betweenMs, signal);
      } catch (error) {
        const pause = retryMs[Math.min(this.#failures++, retryMs.length - 1)];
        await this.#countDown(reasonOf(error), pause, signal);
      }
    }
  }

  /** Does not wait for the next turn. */
  now() {
    this.#turn.abort();
  }

  async #countDown(reason, pauseMs, signal) {
    for (let left = pauseMs / 1000; left > 0 && !signal.aborted; left--) {
      this.#show("lost", `${reason} Next try in ${left} s.`);
      await wait(1_000, signal);
    }
    this.#show("lost", `${reason} Trying…`);
  }

  #show(state, text) {
    byId("connection").dataset.state = state;
    byId("connection-retry").hidden = state !== "lost";
    const node = byId("connection-text");
    if (node.textContent !== text) node.textContent = text;
  }
}

function reasonOf(error) {
  if (error instanceof Problem) return error.message;
  if (error instanceof TypeError) return "Connection lost.";
  throw error;
}
