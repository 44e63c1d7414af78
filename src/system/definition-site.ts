/** Where in the application's code something was defined, for errors found at start. */
export interface DefinitionSite {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The caller of the public function that calls this: the first frame outside Millrace's own code.
 */
export function definitionSite(
  definer: (...parameters: never[]) => unknown,
): DefinitionSite | undefined {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, definer);
  const frame = /\(?((?:file:\/\/|\/|[A-Za-z]:\\)[^()\n]*?):(\d+):(\d+)\)?$/m.exec(
    holder.stack ?? "",
  );
  if (frame === null) return undefined;
  const [, file = "", line, column] = frame;
  return { file: file.replace(/^file:\/\//, ""), line: Number(line), column: Number(column) };
}

export const describeSite = (site: DefinitionSite | undefined): string =>
  site === undefined ? "" : `${site.file}:${site.line}:${site.column}`;
