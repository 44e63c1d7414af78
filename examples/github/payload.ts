import { z } from "zod";

/**
 * The few parts of GitHub's payloads that this example reads. Everything is optional, because each
 * of the sixty kinds of event has other parts; what is not named here is passed over.
 */
const user = z.object({ login: z.string() });
const thing = z.object({
  title: z.string().nullish(),
  name: z.string().nullish(),
  tag_name: z.string().nullish(),
  number: z.number().nullish(),
  body: z.string().nullish(),
  html_url: z.string().nullish(),
  user: user.nullish(),
});

export const payloadSchema = z.object({
  action: z.string().optional(),
  repository: z.object({ full_name: z.string(), html_url: z.string().optional() }).nullish(),
  organization: user.nullish(),
  sender: user.nullish(),
  issue: thing.nullish(),
  pull_request: thing.nullish(),
  comment: thing.nullish(),
  review: thing.nullish(),
  discussion: thing.nullish(),
  release: thing.nullish(),
  check_run: thing.nullish(),
  workflow_run: thing.nullish(),
  workflow_job: thing.nullish(),
  assignee: user.nullish(),
  requested_reviewer: user.nullish(),
  member: user.nullish(),
  membership: z.object({ user: user.nullish() }).nullish(),
  ref: z.string().nullish(),
  commits: z.array(z.object({ message: z.string() })).optional(),
  compare: z.string().nullish(),
});

export type Payload = z.infer<typeof payloadSchema>;
