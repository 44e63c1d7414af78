import { relative } from "node:path";

/** A path as people read it best: from where they stand if it lies below, else whole. */
export function shortPath(path: string): string {
  const short = relative("", path);
  return short === "" || short.startsWith("..") ? path : short;
}
