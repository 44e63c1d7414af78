/** Everything that the page asks of the API, over its own origin. */

/** An answer that is no success, with what the problem document (RFC 9457) says. */
export class Problem extends Error {
  constructor(status, problem) {
    const faults = (problem?.errors ?? []).map(({ detail }) => detail).join(" ");
    super(faults || problem?.detail || problem?.title || `The server answered ${status}.`);
    this.status = status;
    this.code = problem?.code;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

async function request(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", ...options });
  if (response.ok) return response.json();
  throw new Problem(response.status, await response.json().catch(() => undefined));
}

const hex = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

/** The names under which one publication travels, the same however often it is sent. */
export const publication = () => ({
  "idempotency-key": `"${hex(16)}"`,
  // The last 01 asks that this request be traced, whatever the rate of traces is at the moment.
  traceparent: `00-${hex(16)}-${hex(8)}-01`,
});

/** Publishes an event; resolves to its receipt once it is durable. Safe to repeat, names equal. */
export const publish = (type, data, names = publication()) =>
  request(`/events/${type}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...names },
    body: JSON.stringify(data),
  });

/** A worker's query. With a receipt, the answer is at least as new as that event. */
export const ask = (query, user, receipt) =>
  request(`/${query}?${new URLSearchParams({ user })}`, {
    headers: receipt ? { "millrace-after": `${receipt.partition}:${receipt.position}` } : {},
  });

/** The spans of an event's newest trace; none while nothing has been recorded. */
export const traceOf = async (id) => {
  try {
    const { traces } = await request(`/events/${encodeURIComponent(id)}/trace`);
    return traces[0]?.spans ?? [];
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return [];
    throw error;
  }
};
