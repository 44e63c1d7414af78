/**
 * The ceiling: a route of Fastify that checks its body against a JSON schema and answers 202. It
 * stores nothing and does nothing.
 */
import { createApp, listen } from "./http.ts";

const app = createApp(async () => ({ id: "0" }));
await listen(app);
