/** The files of a new application, by name. What it does is small, and shows every part once. */
export function newApplication(name: string, version: string): Readonly<Record<string, string>> {
  return {
    "package.json": packageJson(name, version),
    "tsconfig.json": tsconfig,
    "app.ts": app(name),
    "README.md": readme(name),
    ".gitignore": "node_modules/\n.millrace/\n",
  };
}

const packageJson = (name: string, version: string): string =>
  `${JSON.stringify(
    {
      name,
      private: true,
      type: "module",
      scripts: {
        dev: "millrace dev app.ts",
        start: "millrace start app.ts",
        check: "tsc",
      },
      engines: { node: ">=22.23" },
      dependencies: { millrace: `^${version}`, zod: "^4.6.7" },
      devDependencies: { "@types/node": "^24.19.2", typescript: "^7.0.2" },
    },
    null,
    2,
  )}\n`;

const tsconfig = `{
  "compilerOptions": {
    "target": "es2024",
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true,
    // Node strips types and emits no code, so enum and the like are not available.
    "erasableSyntaxOnly": true
  },
  "include": ["*.ts"]
}
`;

const app = (name: string): string => `import {
  defineDatabase,
  defineEvent,
  defineSystem,
  defineWorker,
  on,
  query,
} from "millrace";
import { z } from "zod";

/** Events with an equal key are handled in the order in which they were accepted. */
const NoteWritten = defineEvent("note.written", {
  data: z.object({ author: z.string().min(1).max(50), text: z.string().min(1).max(500) }),
  key: (note) => note.author,
  example: { author: "ada", text: "hello" },
});

interface Tables {
  notes: { id: string; author: string; text: string };
}

const database = defineDatabase<Tables>({
  migrations: {
    "001-notes": async (db) => {
      await db.schema
        .createTable("notes")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("author", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .execute();
    },
  },
});

/** Everything that a handler writes commits together with the event, exactly once. */
const notes = defineWorker("notes", database, {
  handlers: [
    on(NoteWritten, async (event, { db, cache }) => {
      await db.insertInto("notes").values({ id: event.id, ...event.data }).execute();
      cache.touch(\`notes:\${event.data.author}\`);
    }),
  ],
  queries: {
    by: query(
      { input: z.object({ author: z.string() }), cacheKey: ({ author }) => \`notes:\${author}\` },
      async ({ input, db }) =>
        await db
          .selectFrom("notes")
          .select(["id", "text"])
          .where("author", "=", input.author)
          .orderBy("id", "desc")
          .limit(20)
          .execute(),
    ),
  },
});

export default defineSystem(${JSON.stringify(name)}, { accepts: [NoteWritten], workers: [notes] });
`;

const readme = (name: string): string => `# ${name}

    npm install
    npm run dev       # one process, again whenever app.ts changes
    npm start         # the whole picture as supervised processes

Publish an event, then ask for what became of it:

    curl localhost:8080/events/note.written -H 'content-type: application/json' -d '{"author":"ada","text":"hello"}'
    curl 'localhost:8080/notes/by?author=ada'

The API's documents are at http://localhost:8080/docs. \`npx millrace --help\` lists the commands.
`;
