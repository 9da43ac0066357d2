/** Memory that is shared, or smaller than this, is left to the garbage collector. */
const bytesMin = 4 * 1024;

/**
 * Gives up the memory of bytes that nobody uses any more, where it is theirs alone: it then does not count towards the next run of the
 * garbage collector, which comes after so many megabytes of such memory, however small the heap.
 */
export function giveUpMemory({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= bytesMin && buffer.byteLength === byteLength && buffer instanceof ArrayBuffer)
    buffer.transfer(0);
}
