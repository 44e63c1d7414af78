import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(import.meta.url);

/** The file that every supervised process runs. Compiled it ends in .js, in a checkout in .ts. */
export const boxModule = fileURLToPath(new URL(`./boxes/main${extname(here)}`, import.meta.url));
