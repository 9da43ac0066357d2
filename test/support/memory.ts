/**
 * For V8: no threads beside the first collect garbage, since three processes have two processors. A semi-space has its usual size: one of
 * 8 MB has 9 to 16 % more processor time spent by files that make much garbage, and nothing gained by others.
 */
export const heapFlags = ['--single-threaded-gc'];

/** For the C library, by the environment: without these it keeps some 70 MB more of what Node has freed. A number of arenas, and bytes. */
export const mallocLimits = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '262144',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};
