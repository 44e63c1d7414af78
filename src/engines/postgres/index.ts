/**
 * `millrace/postgres`: the engines on PostgreSQL, for whoever opens one without the runtime. A
 * system gets them by its settings, MILLRACE_DATABASE=postgres://… and MILLRACE_QUEUE=postgres://….
 */

export { openPostgresDatabase, type PostgresDatabaseOptions } from "./database.ts";
export { openPostgresQueue, type PostgresQueueOptions } from "./queue.ts";
