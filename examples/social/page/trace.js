import { traceOf } from "./api.js";
import { element } from "./dom.js";
import { count, duration } from "./format.js";
import { drawWaterfall } from "./waterfall.js";

const askEveryMs = 250;
/** Spans are written in batches: a trace is taken as whole once nothing new came for this long. */
const quietTurns = 8;
const turnsMax = 40;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Shows the way of one event, and draws it while it is being recorded. */
export class TracePanel {
  #panel;
  #body = element("div", { class: "trace-body" });
  #summary = element("p", { class: "small", role: "status" });
  #quote = element("p", { class: "trace-quote" });
  #current;

  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.#panel = panel;
    panel.append(
      element(
        "div",
        { class: "section-head" },
        element("h2", { id: "trace-title" }, "The way of a post"),
        legend(),
      ),
      this.#quote,
      this.#summary,
      this.#body,
    );
    this.#body.append(
      element(
        "div",
        { class: "empty" },
        element("h3", {}, "No post followed yet"),
        element(
          "p",
          {},
          "Publish one that mentions somebody: each of the thirteen hops of its request is drawn here, " +
            "from you to the second worker's cache.",
        ),
      ),
    );
  }

  /** @param {string} id the post's event @param {string | undefined} text */
  async follow(id, text) {
    this.#current = id;
    this.#quote.textContent = text ? `“${text}”` : "";
    this.#summary.textContent = "Waiting for the first span…";
    this.#body.replaceChildren();
    let seen = 0;
    for (let turn = 0, quiet = 0; turn < turnsMax && quiet < quietTurns; turn++) {
      const spans = await traceOf(id).catch(() => []);
      if (this.#current !== id) return;
      quiet = spans.length === seen && seen > 0 ? quiet + 1 : 0;
      if (spans.length !== seen) this.#draw(spans);
      seen = spans.length;
      await sleep(askEveryMs);
      if (this.#current !== id) return;
    }
    if (seen === 0) this.#nothing();
    else this.#summary.firstElementChild?.classList.remove("recording");
  }

  reveal() {
    this.#panel.scrollIntoView({ block: "nearest" });
    this.#panel.focus({ preventScroll: true });
  }

  #draw(spans) {
    const hops = spans.filter(({ hop }) => hop !== undefined && hop !== null);
    if (hops.length === 0) return;
    const start = Math.min(...hops.map((span) => span.startUs));
    const end = Math.max(...hops.map((span) => span.startUs + span.durationUs));
    const answered = hops.find(({ hop }) => hop === 1)?.durationUs;
    this.#summary.replaceChildren(
      element("strong", { class: "recording" }, count(hops.length, "hop")),
      answered === undefined ? "" : ` · answered after ${duration(answered)}`,
      ` · all done after ${duration(end - start)}`,
    );
    this.#body.replaceChildren(drawWaterfall(hops, start, end));
  }

  #nothing() {
    this.#summary.textContent = "";
    this.#body.replaceChildren(
      element(
        "div",
        { class: "empty" },
        element("h3", {}, "No trace of this post"),
        element(
          "p",
          {},
          "Only some requests are traced, and old traces make room for new ones. What you publish " +
            "on this page is always traced: write a new post.",
        ),
      ),
    );
  }
}

const legend = () =>
  element(
    "p",
    { class: "legend small" },
    element("span", { class: "key work", "aria-hidden": "true" }),
    "working ",
    element("span", { class: "key wait", "aria-hidden": "true" }),
    "waiting",
  );
