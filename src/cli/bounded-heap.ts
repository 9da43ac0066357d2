import { setFlagsFromString } from 'node:v8';

/**
 * For a process that goes on running: keeps the heap near what is in use. V8 lets the young generation grow to tens of megabytes and
 * the old one to a multiple of what survived, and both stay. V8 reads these two at each collection, so they hold from now on
 * (ADR 0065); called before the program of the process is loaded, which would let it grow.
 */
export function boundHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
}
