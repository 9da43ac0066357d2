import { createHash } from 'node:crypto';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { vi } from 'vitest';
import { carHeader, rawCode, sectionHead } from '../../src/protocol/base/car.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import type { BlockSink, Pipe } from '../../src/transfer/index.ts';

export const cidOf = (bytes: Uint8Array, code = rawCode): CID =>
  CID.createV1(code, create(0x12, createHash('sha256').update(bytes).digest()));
export const named = (name: string, code = rawCode) => cidOf(Buffer.from(name), code);
export const many = (count: number) => Array.from({ length: count }, (_, n) => named(`block ${n}`));

export const block = Buffer.from('the bytes of a block');
export const cid = cidOf(block);
export const car = Buffer.concat([carHeader([cid.bytes]), sectionHead(cid.bytes, block.length), block]);

/** A pipe of which the test is the other end; `sent` resolves a message of the side under test when the test lets it. */
export class Far implements Pipe {
  readonly sent: { message: Uint8Array; leave: () => void }[] = [];
  readonly waits: (number | undefined)[] = [];
  isHeld = false;
  aborted: Error | undefined;
  closed = false;
  readonly #answers: (Uint8Array | undefined)[];

  constructor(...answers: (Uint8Array | undefined)[]) {
    this.#answers = answers;
  }

  async receive({
    timeoutMs,
  }: {
    timeoutMs?: number;
    signal?: AbortSignal;
  } = {}): Promise<Uint8Array | undefined> {
    this.waits.push(timeoutMs);
    return this.#answers.shift();
  }

  send(message: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.sent.push({ message, leave: resolve });
    if (!this.isHeld) resolve();
    return promise;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  abort(reason: Error): void {
    this.aborted = reason;
  }
}

export const ends = (message: Uint8Array | undefined) => Buffer.from(message ?? []).toString();
export const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A sink without blocks. */
export function sink(over: Partial<BlockSink> = {}): BlockSink {
  return {
    touch: () => undefined,
    links: () => [],
    put: async () => {},
    read: () => Promise.reject(new Error('nothing is here')),
    ...over,
  };
}
export const ending = [new Uint8Array(), Buffer.from('{"kind":"end"}')];
export const provider = (peer: string, ...pipes: Far[]) => ({
  peer,
  open: vi.fn(
    async () => pipes.shift() ?? Promise.reject(reportedError('MESH_RESET', 'the stream was reset')),
  ),
});
