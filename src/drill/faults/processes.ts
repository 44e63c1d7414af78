import type { Random } from "../../lib/random.ts";
import type { Struck } from "../fault.ts";

/** A process that a drill may strike. */
export interface Victim {
  readonly name: string;
  readonly pid: number;
}

/** One of them, by chance. */
export function oneOf<Item>(items: readonly Item[], random: Random, what: string): Item {
  const item = items[Math.floor(random.fraction() * items.length)];
  if (item === undefined) throw new Error(`there is no ${what} to strike`);
  return item;
}

/** `kill -9`: over at once. */
export function killAll(victims: readonly Victim[]): Struck {
  for (const { pid } of victims) process.kill(pid, "SIGKILL");
  return { what: `kill -9 of ${victims.map(({ name }) => name).join(", ")}` };
}

/**
 * SIGSTOP until it is healed. Where this process ends before that, the stopped one is let go: it
 * must not stand still for ever.
 */
export function stopOne({ name, pid }: Victim): Struck {
  process.kill(pid, "SIGSTOP");
  const goOn = () => {
    process.off("exit", goOn);
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // Its supervisor has killed it meanwhile.
    }
  };
  process.once("exit", goOn);
  return { what: `SIGSTOP of ${name}`, heal: async () => goOn() };
}
