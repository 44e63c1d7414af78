/**
 * A gateway as a process of its own, to be killed: it notes each event id in a file before it
 * answers, takes its time for every request, and says on its standard output that it listens.
 *
 *     node gateway-process.ts <socket> <file of ids>
 */
import { appendFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";

/**
 * Longer than a turn of the loop that load and balancer share: else a gateway that is killed has
 * answered all that it had, and the kill has struck nothing.
 */
const answerMs = 30;

const [socketPath = "", idsFile = ""] = process.argv.slice(2);
rmSync(socketPath, { force: true });
const server = createServer((request, response) => {
  if (request.url === "/readyz") return void response.end();
  request.resume().on("end", () => {
    const id = request.headers["millrace-event-id"] ?? request.headers["idempotency-key"];
    if (id !== undefined) appendFileSync(idsFile, `${request.url} ${id}\n`);
    setTimeout(
      () => response.writeHead(request.method === "POST" ? 202 : 200).end(request.url),
      answerMs,
    );
  });
});
server.listen(socketPath, () => console.log("listening"));
process.on("SIGTERM", () => server.close(() => process.exit()));
