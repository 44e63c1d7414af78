import { MillraceError } from "../lib/errors.ts";

/** All boxes of a kind; of workers perhaps only the instances of one. */
export interface SelectedPart {
  readonly kind: "balancer" | "gateway" | "worker" | "admin";
  readonly worker?: string;
}

/** Which boxes to run here; all where nothing is said. */
export type Selection = readonly SelectedPart[] | "all";

/**
 * Reads `--only`: `balancer`, `gateway`, `admin`, `worker` or `worker:timelines`, or several of
 * them with commas between.
 *
 * @throws MR_USAGE
 */
export function parseSelection(text: string | undefined): Selection {
  if (text === undefined) return "all";
  return text.split(",").map((part): SelectedPart => {
    const name = part.trim();
    if (name === "balancer" || name === "gateway" || name === "admin" || name === "worker") {
      return { kind: name };
    }
    const worker = /^worker:(.+)$/.exec(name)?.[1];
    if (worker !== undefined) return { kind: "worker", worker };
    throw new MillraceError("MR_USAGE", `--only is ${JSON.stringify(text)}.`, {
      remedy: "It takes gateway, balancer, admin, worker, or worker:NAME, with commas between.",
    });
  });
}

export const selects = (
  selection: Selection,
  kind: SelectedPart["kind"],
  worker?: string,
): boolean =>
  selection === "all" ||
  selection.some(
    (part) => part.kind === kind && (part.worker === undefined || part.worker === worker),
  );
