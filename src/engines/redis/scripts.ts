import { createHash } from "node:crypto";

/**
 * What a store is on the server, under one prefix:
 *
 * - the state, one hash: `era`, `t<bucket>` (how often keys of a bucket were touched) and `b<key>`
 *   (who blocks a key, and since when). It is one key, so that it can only be lost as a whole;
 *   and where it is missing, every script says so.
 * - `v:<era>:<key>`, a value. The store refers to it only with its own era.
 *
 * Each store has scripts of its own, with its name in them, which only its beginning loads. The
 * server keeps scripts in memory, and neither writes them to disk nor sends them to replicas. So
 * whoever asks a server that was restarted, or that took over from another one, gets NOSCRIPT,
 * however much of the data that server has: it may be older than what was seen before.
 *
 * A fence is `<era>.<touches of the bucket>`. Touches are never forgotten within a store.
 */
const beginning = `
local state = KEYS[1]
local era = redis.call('HGET', state, 'era')
if not era then return { 'lost' } end
local function fence(bucket) return era .. '.' .. (redis.call('HGET', state, bucket) or '0') end
local function value(key) return ARGV[1] .. era .. ':' .. key end
local function touch(key, bucket)
  redis.call('HINCRBY', state, bucket, 1)
  redis.call('UNLINK', value(key))
end
local function keep() redis.call('PEXPIRE', state, ARGV[2]) end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** ARGV: values' prefix, life of the state; then as each says. No replica runs them. */
const bodies = {
  // key, bucket
  get: `
local held = redis.call('HGET', state, 'b' .. ARGV[3])
if held then return { 'blocked', now() - tonumber(string.match(held, '@(%d+)')) } end
return { fence(ARGV[4]), redis.call('GET', value(ARGV[3])) }`,
  // key, bucket, fence, value, life of the value
  fill: `
if redis.call('HEXISTS', state, 'b' .. ARGV[3]) == 1 or fence(ARGV[4]) ~= ARGV[5] then
  return { 'refused' }
end
redis.call('SET', value(ARGV[3]), ARGV[6], 'PX', ARGV[7])
keep()
return { 'filled' }`,
  // key, bucket, id of the block; and again
  block: `
local since = string.format('%d', now())
for at = 3, #ARGV, 3 do
  local field = 'b' .. ARGV[at]
  local held = redis.call('HGET', state, field)
  local mine = ARGV[at + 2] .. '@' .. since
  redis.call('HSET', state, field, held and held .. ' ' .. mine or mine)
  touch(ARGV[at], ARGV[at + 1])
end
keep()
return { 'blocked' }`,
  // key, bucket, id of the block; and again
  release: `
for at = 3, #ARGV, 3 do
  local field = 'b' .. ARGV[at]
  local others = {}
  for one in string.gmatch(redis.call('HGET', state, field) or '', '%S+') do
    if string.match(one, '^(.*)@') ~= ARGV[at + 2] then others[#others + 1] = one end
  end
  if #others == 0 then redis.call('HDEL', state, field)
  else redis.call('HSET', state, field, table.concat(others, ' ')) end
  touch(ARGV[at], ARGV[at + 1])
end
keep()
return { 'released' }`,
  clear: `
redis.call('HINCRBY', state, 'era', 1)
keep()
return { 'cleared' }`,
} as const;

export type ScriptName = keyof typeof bodies;

export interface Script {
  readonly text: string;
  readonly hash: string;
}

/** A full server still has to be told what is stale; only values wait until there is room. */
const flags = (name: ScriptName): string => (name === "fill" ? "" : " flags=allow-oom");

/** The scripts of one store. */
export function scriptsOf(store: string): Readonly<Record<ScriptName, Script>> {
  const scripts = (Object.keys(bodies) as ScriptName[]).map((name) => {
    const text = `#!lua${flags(name)}\n-- store ${store}\n${beginning}${bodies[name]}`;
    return [name, { text, hash: createHash("sha1").update(text).digest("hex") }] as const;
  });
  return Object.fromEntries(scripts) as Record<ScriptName, Script>;
}
