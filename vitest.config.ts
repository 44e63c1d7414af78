import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^millrace\/client$/, replacement: source("./src/client/index.ts") },
      { find: /^millrace\/conformance$/, replacement: source("./src/conformance/index.ts") },
      { find: /^millrace\/redis$/, replacement: source("./src/engines/redis/index.ts") },
      { find: /^millrace\/nats$/, replacement: source("./src/engines/nats/queue.ts") },
      { find: /^millrace\/postgres$/, replacement: source("./src/engines/postgres/index.ts") },
      { find: /^millrace$/, replacement: source("./src/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Tests wait more than they compute: for leases, processes, servers, disks.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Systems that tests start run side by side: each gets an admin port of its own.
    env: { MILLRACE_DASHBOARD_PORT: "0" },
  },
});
