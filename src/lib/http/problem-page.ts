import { errorCodes } from "../error-codes.ts";

/** What a problem's `type` leads to: a page without anything that could come from a request. */
export function problemPage(slug: string): string | undefined {
  const found = Object.entries(errorCodes).find(([, code]) => code.slug === slug);
  if (found === undefined) return undefined;
  const [name, { title, status }] = found;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${name}</title>
</head>
<body>
<main>
<h1>${title}</h1>
<p><code>${name}</code>, HTTP status ${status}.</p>
<p>The <code>detail</code> of the problem says what happened and what to do about it; its
<code>traceId</code> finds the request in the log and among the traces.</p>
</main>
</body>
</html>
`;
}
