/** The cache on Redis, for those who put a system together themselves. */
export { openRedisCache, type RedisCacheOptions } from "./cache.ts";
