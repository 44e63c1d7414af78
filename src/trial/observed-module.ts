import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(import.meta.url);

/**
 * The text of a module that the processes of a trial run in place of the application's own: it
 * takes that and has it observed. Compiled ours end in .js, in a checkout in .ts.
 */
export const observedModule = (appUrl: string, name: string): string =>
  [
    `import { observed } from ${JSON.stringify(new URL(`./observed${extname(here)}`, import.meta.url).href)};`,
    `import application from ${JSON.stringify(appUrl)};`,
    `export default observed(application, ${JSON.stringify(name)});`,
    "",
  ].join("\n");
