import type { Findings, TextFile } from "./source.ts";

/** As in src/lib/error-codes.ts. */
export type Registry = Readonly<
  Record<
    string,
    {
      readonly slug: string;
      readonly title: string;
      readonly status: number;
      readonly exit: number;
    }
  >
>;

interface Section {
  readonly slug: string;
  readonly line: number;
  readonly body: string;
}

const docs = "docs/errors.md";

/**
 * The registry and its page say the same. A section is headed by the slug, so that a link can end
 * in `#slug`; its first line is the registry's entry; and what follows says why and what to do.
 */
export function errorDocFaults(registry: Registry, text: string): Findings {
  const sections = sectionsOf(text);
  const bySlug = new Map(sections.map((section) => [section.slug, section]));
  const slugs = new Set(Object.values(registry).map(({ slug }) => slug));
  return [
    ...Object.entries(registry).flatMap(([code, entry]) => {
      const section = bySlug.get(entry.slug);
      if (section === undefined) return [`${docs} has no section "## ${entry.slug}" (${code})`];
      return sectionFaults(section, introOf(code, entry));
    }),
    ...sections
      .filter(({ slug }) => !slugs.has(slug))
      .map(({ slug, line }) => `${docs}:${line} tells of ${slug}, which no code has`),
    ...sections
      .filter((section) => bySlug.get(section.slug) !== section)
      .map(({ slug, line }) => `${docs}:${line} tells of ${slug} a second time`),
  ];
}

const introOf = (code: string, { status, exit, title }: Registry[string]): string =>
  `\`${code}\` · HTTP ${status} · exit ${exit} · ${title}.`;

function sectionFaults({ slug, line, body }: Section, intro: string): Findings {
  const faults = [];
  if (!body.startsWith(`${intro}\n`)) faults.push(`${docs}:${line} must begin with: ${intro}`);
  for (const part of ["**Why.**", "**What to do.**"]) {
    const words = body.split(part)[1]?.split("**")[0]?.trim() ?? "";
    if (words.length < 40) faults.push(`${docs}:${line} ${slug} says too little under ${part}`);
  }
  return faults;
}

function sectionsOf(text: string): Section[] {
  const lines = text.split("\n");
  const starts = lines.flatMap((line, index) => (line.startsWith("## ") ? [index] : []));
  return starts.map((start, index) => ({
    slug: (lines[start] ?? "").slice(3).trim(),
    line: start + 1,
    body: lines
      .slice(start + 1, starts[index + 1])
      .join("\n")
      .trim()
      .concat("\n"),
  }));
}

/** Codes that nothing can ever tell, and slugs or codes that stand for two errors. */
export function registryFaults(registry: Registry, files: readonly TextFile[]): Findings {
  const code = files.filter(
    ({ path }) => /^(?:src|bin)\//.test(path) && path !== "src/lib/error-codes.ts",
  );
  const slugs = Object.values(registry).map(({ slug }) => slug);
  return [
    ...Object.keys(registry)
      .filter((name) => !code.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)))
      .map((name) => `src/lib/error-codes.ts: nothing tells ${name}`),
    ...slugs
      .filter((slug, index) => slugs.indexOf(slug) !== index)
      .map((slug) => `src/lib/error-codes.ts: two codes have the slug ${slug}`),
  ];
}
