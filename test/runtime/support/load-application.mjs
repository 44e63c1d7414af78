/** Loads the application named on its command line; prints its name, or the error, as JSON. */
import { loadApplication } from "../../../src/runtime/application.ts";

const result = await loadApplication(process.argv[2]).then(
  ({ name }) => ({ name }),
  ({ code, message, remedy }) => ({ code, message, remedy }),
);
process.stdout.write(JSON.stringify(result));
