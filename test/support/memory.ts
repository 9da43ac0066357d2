/**
 * For V8. A fork copies the page tables of what is resident, so that a semi-space has 8 MB and not 32; and there are no threads beside the first
 * that collect garbage, since three processes have two processors.
 */
export const heapFlags = ['--max-semi-space-size=8', '--single-threaded-gc'];

/** For the C library, by the environment: without these it keeps some 70 MB more of what Node has freed. A number of arenas, and bytes. */
export const mallocLimits = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '262144',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};
