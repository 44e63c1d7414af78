/**
 * HAProxy in place of the embedded balancer, in front of the real gateways of the reference
 * example, with the configuration that `millrace deploy` writes for them: events and queries pass,
 * and a gateway that is killed under load costs nobody an answer.
 */
import { join } from "node:path";
import { expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { Haproxy, withoutHaproxy } from "../support/haproxy.ts";
import { Picture } from "./picture.ts";

it.skipIf(withoutHaproxy)(
  "stands in front of real gateways, and of one that is killed",
  async () => {
    await using picture = await Picture.start();
    const port = await freePort();
    const app = join(import.meta.dirname, "../../examples/social/app.ts");
    const written = await picture.command("deploy", "haproxy", app);
    const config = written.replace("bind 127.0.0.1:8080", `bind 127.0.0.1:${port}`);
    await using _haproxy = await Haproxy.start(config, port);
    const url = `http://127.0.0.1:${port}`;
    const publish = (key: string, prefer = "return=minimal") =>
      fetch(`${url}/events/post.published`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key, prefer },
        body: JSON.stringify({ author: "ada", text: `post ${key}` }),
      });

    expect((await publish("first", "wait=20")).status).toBe(200);
    const home = await fetch(`${url}/timelines/home?user=ada`);
    expect(JSON.stringify(await home.json())).toContain("post first");

    const statuses: number[] = [];
    const load = async (client: number) => {
      for (let turn = 0; turn < 40; turn++) {
        statuses.push((await publish(`${client}-${turn}`)).status);
      }
    };
    await Promise.all([picture.kill("gateway-1"), ...[1, 2, 3].map(load)]);
    expect(statuses.filter((status) => status !== 202)).toEqual([]);
    expect(statuses).toHaveLength(120);
  },
  180_000,
);
