/** Takes the locks named on its command line, says so, and holds them until it is killed. */
import { openDataFolder } from "../../../src/runtime/data-folder.ts";
import { lockBoxes } from "../../../src/runtime/data-lock.ts";

const [, , folder, ...boxes] = process.argv;
await lockBoxes(await openDataFolder(folder), boxes);
process.stdout.write("held\n");
setInterval(() => {}, 1000);
