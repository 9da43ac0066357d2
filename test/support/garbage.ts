/** Resident memory, in bytes, from which garbage is collected at the end of a file: a tenth of the time that a new process takes (pool.ts). */
const residentBytesMin = 350 * 1024 * 1024;
/** Allocation since the last collection, in bytes, from which another one is made: it takes a quarter of a second, as long as many files. */
const grownBytesMin = 48 * 1024 * 1024;
let usedBytes = 0;

/** At the end of a file. Memory that V8 has once got is not given back for it, so that a large process stays large. */
export function collectGarbage(): void {
  const { rss, heapUsed } = process.memoryUsage();
  if (rss <= residentBytesMin || heapUsed - usedBytes < grownBytesMin) return;
  globalThis.gc?.();
  usedBytes = process.memoryUsage().heapUsed;
}
