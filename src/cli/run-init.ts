import { access, mkdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { shortPath } from "../lib/short-path.ts";
import { version } from "../lib/version.ts";
import type { ExitCode } from "./command.ts";
import { newApplication } from "./new-application.ts";
import type { Output } from "./output.ts";

interface Call {
  readonly folder: string | undefined;
  readonly name: string | undefined;
  readonly output: Output;
}

/** Writes the files of a new application; none where one of them exists. */
export async function runInit({ folder, name, output }: Call): Promise<ExitCode> {
  const path = resolve(folder ?? (await askForFolder()));
  const appName = nameOf(name ?? basename(path));
  const files = newApplication(appName, version);
  await refuseExisting(path, Object.keys(files));
  await mkdir(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    await writeFile(join(path, file), content, { flag: "wx" });
  }
  if (output.json) {
    output.value({ name: appName, folder: path, files: Object.keys(files) });
    return 0;
  }
  for (const file of Object.keys(files)) output.line(shortPath(join(path, file)));
  const enter = path === resolve("") ? "" : `cd ${shortPath(path)} && `;
  output.progress(`\nNext: ${enter}npm install && npm run dev`);
  return 0;
}

async function askForFolder(): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new MillraceError("MR_USAGE", "The folder is missing.", {
      remedy: "Name it: millrace init my-app",
    });
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await prompt.question("Folder of the new application (my-app): ")).trim();
    return answer === "" ? "my-app" : answer;
  } finally {
    prompt.close();
  }
}

/** A system's name is part of addresses, so it has the same narrow alphabet. */
function nameOf(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^[^a-z]+|-+$/g, "");
  if (name !== "" && name.length <= limits.nameLengthMax) return name;
  throw new MillraceError("MR_USAGE", `${JSON.stringify(text)} makes no name for an application.`, {
    remedy: "Give one with --name, such as --name my-app.",
  });
}

async function refuseExisting(folder: string, files: readonly string[]): Promise<void> {
  const existing: string[] = [];
  for (const file of files) {
    await access(join(folder, file)).then(
      () => existing.push(file),
      () => {},
    );
  }
  if (existing.length === 0) return;
  throw new MillraceError("MR_USAGE", `${folder} has ${existing.join(", ")} already.`, {
    remedy: "Nothing was written. Choose another folder.",
  });
}
