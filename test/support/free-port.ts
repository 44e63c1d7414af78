export { freePort, freePorts } from "../../src/lib/free-port.ts";
