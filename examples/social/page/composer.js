import { Problem, publication, publish } from "./api.js";
import { byId, element } from "./dom.js";
import { count, duration } from "./format.js";

const retryMs = [1_000, 2_000, 4_000, 8_000];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Writes posts. What could not be sent is sent again under the same key until it is accepted. */
export class Composer {
  #form = byId("compose");
  #text = byId("text");
  #receipt = byId("receipt");
  #author;
  #trace;
  #published;

  /**
   * @param {() => string} author
   * @param {import("./trace.js").TracePanel} trace
   * @param {(receipt: object) => Promise<void>} published
   */
  constructor(author, trace, published) {
    this.#author = author;
    this.#trace = trace;
    this.#published = published;
    if (navigator.platform.startsWith("Mac")) byId("shortcut").textContent = "⌘ + Return";
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("input", () => this.#countLeft());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit();
    });
    byId("suggest").addEventListener("click", () => this.suggest("hello @grace"));
    this.#countLeft();
  }

  clear() {
    this.#receipt.replaceChildren();
  }

  suggest(text) {
    this.#text.value = text;
    this.#countLeft();
    this.#text.focus();
  }

  #countLeft() {
    const left = this.#text.maxLength - this.#text.value.length;
    byId("left").textContent = `${count(left, "character")} left`;
  }

  async #send() {
    const text = this.#text.value.trim();
    if (text === "" || this.#text.readOnly) return;
    this.#busy(true);
    try {
      const started = performance.now();
      const receipt = await this.#publishUntilAccepted({ author: this.#author(), text });
      const took = (performance.now() - started) * 1000;
      this.#text.value = "";
      this.#countLeft();
      this.#showReceipt(receipt, took, text);
      this.#trace.follow(receipt.id, text);
      await this.#published(receipt);
    } catch (error) {
      if (error instanceof Problem && !error.passing) this.#complain(error.message);
      else if (error instanceof TypeError || error instanceof Problem)
        return; // shown on top
      else throw error;
    } finally {
      this.#busy(false);
    }
  }

  async #publishUntilAccepted(data) {
    const names = publication();
    for (let failures = 0; ; failures++) {
      try {
        return await publish("post.published", data, names);
      } catch (error) {
        const passing = error instanceof TypeError || (error instanceof Problem && error.passing);
        if (!passing) throw error;
        const pause = retryMs[Math.min(failures, retryMs.length - 1)];
        this.#complain(
          `Not accepted yet. It is kept here and sent again in ${pause / 1000} s; sent twice, it still counts once.`,
        );
        await sleep(pause);
      }
    }
  }

  #busy(busy) {
    this.#text.readOnly = busy;
    this.#form.setAttribute("aria-busy", String(busy));
    this.#form.querySelector("button").disabled = busy;
    if (!busy && document.activeElement === document.body) this.#text.focus();
  }

  #showReceipt({ id, partition, position, durable }, tookUs, text) {
    this.#receipt.dataset.state = "accepted";
    this.#receipt.replaceChildren(
      element("strong", {}, `Accepted after ${duration(tookUs)}`),
      ` ${durable === "disk" ? "and safe on disk" : `(${durable})`}: partition ${partition}, position ${position}. `,
      element(
        "button",
        { type: "button", class: "link", "data-trace": id, "data-text": text },
        "See its way",
      ),
    );
  }

  #complain(text) {
    this.#receipt.dataset.state = "refused";
    this.#receipt.replaceChildren(text);
  }
}
