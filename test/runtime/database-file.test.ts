/** Which of a worker's databases is in use, and what becomes of former ones. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect, it } from "vitest";
import { dataFolderAt } from "../../src/runtime/data-folder.ts";
import { databaseFile, newDatabaseFile, useDatabaseFile } from "../../src/runtime/database-file.ts";
import { projectFolder } from "../support/project-folder.ts";

it("keeps the former database until the next rebuild begins, and nothing of broken attempts", async () => {
  await using folder = await projectFolder();
  const data = dataFolderAt(folder.path);
  await mkdir(data.worker("books"), { recursive: true });
  const current = async () => basename(await databaseFile(data, "books"));
  const files = async () => (await readdir(data.worker("books"))).sort();
  const rebuild = async () => {
    const file = await newDatabaseFile(data, "books");
    for (const suffix of ["", "-wal", "-shm"]) await writeFile(`${file}${suffix}`, "");
    return file;
  };
  for (const suffix of ["", "-wal"])
    await writeFile(`${await databaseFile(data, "books")}${suffix}`, "");
  expect(await current()).toBe("database.db");

  // Broken off: the next attempt takes its place.
  await rebuild();
  expect(await current()).toBe("database.db");
  await useDatabaseFile(data, "books", await rebuild());
  expect(await current()).toBe("database-2.db");
  expect(await files()).toContain("database.db");

  await useDatabaseFile(data, "books", await rebuild());
  expect(await current()).toBe("database-3.db");
  expect((await files()).filter((name) => name.endsWith(".db"))).toEqual([
    "database-2.db",
    "database-3.db",
  ]);
  expect(await files()).not.toContain("database.db-wal");
});
