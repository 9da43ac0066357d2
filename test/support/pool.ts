import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ForksPoolWorker, type PoolOptions } from 'vitest/node';

const pageBytes = 4096;
/**
 * Resident memory, in bytes, above which a process gets no further test file. Each program that a test starts is a fork, for which the
 * page tables of the process are copied while it stands still. And the larger the
 * heap is, the longer each collection of it takes. A new process loads the modules again, which takes a second or two. Three of 600 MB and
 * Vitest itself take 1.9 GB.
 */
const residentBytesMax = Math.min(600 * 1024 * 1024, process.availableMemory() / 6);

/** A process that runs one test file after the other, until it has grown. */
class SharedProcess extends ForksPoolWorker {
  override readonly name = 'shared';

  /** Vitest asks after each file. */
  canReuse(): boolean {
    const { pid } = Reflect.get(this, '_fork') as ChildProcess;
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return Number(pages) * pageBytes <= residentBytesMax;
  }
}

export const sharedProcesses = {
  name: 'shared',
  createPoolWorker: (options: PoolOptions) => new SharedProcess(options),
};
