import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { makeProject, type Project } from '../support/project.ts';
import type { DocumentKind, Vector } from '../vectors/vector.ts';

const vectors = join(import.meta.dirname, '../vectors');

/** The golden vectors of one kind of document. */
function vectorsOf(kind: DocumentKind, which: 'valid' | 'invalid'): Vector[] {
  return JSON.parse(readFileSync(join(vectors, kind, `${which}.json`), 'utf8'));
}

export const validTexts = (kind: DocumentKind): string[] => vectorsOf(kind, 'valid').map(({ raw }) => raw);

let made: Promise<Project> | undefined;
/** A small project: two operators who agree, the trusted worker, a verdict and its bundle. */
export function project(): Promise<Project> {
  made ??= makeProject({
    policy: { agree: 2, of: 2, cosign: 'required', rounds: 1 },
    runs: [{ operator: 'ada' }, { operator: 'bob' }],
  });
  return made;
}

/** A folder for one target. */
export class Scratch {
  #dir: Promise<string> | undefined;

  dir(): Promise<string> {
    this.#dir ??= mkdtemp(join(tmpdir(), 'quorate-fuzz-'));
    return this.#dir;
  }

  async close(): Promise<void> {
    // A file that a request of before still writes may come meanwhile.
    if (this.#dir !== undefined) await rm(await this.#dir, { recursive: true, force: true, maxRetries: 5 });
    this.#dir = undefined;
  }
}

export interface TarEntry {
  name: string;
  body?: string;
  type?: 'file' | 'directory' | 'symlink' | 'link';
  mode?: number;
  linkname?: string;
  pax?: Record<string, string>;
}

export async function tarBytes(entries: readonly TarEntry[]): Promise<Uint8Array> {
  const packer = pack();
  for (const { name, body = '', type = 'file', mode = 0o644, linkname, pax } of entries) {
    const size = Buffer.byteLength(body);
    packer.entry(
      {
        name,
        type,
        mode,
        size,
        mtime: new Date(0),
        ...(linkname !== undefined && { linkname }),
        ...(pax && { pax }),
      },
      body,
    );
  }
  packer.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packer as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** The same bytes cut in several ways: whole, one by one, and at places that follow from the bytes themselves. */
export function cuts(bytes: Uint8Array): Uint8Array[][] {
  const odd: Uint8Array[] = [];
  for (let at = 0, state = bytes.length + 1; at < bytes.length; ) {
    state = (state * 1_103_515_245 + 12_345 + (bytes[at] ?? 0)) % 2 ** 31;
    const size = 1 + (state % 1009);
    odd.push(bytes.subarray(at, at + size));
    at += size;
  }
  const single = Array.from({ length: Math.min(bytes.length, 1100) }, (_, index) =>
    bytes.subarray(index, index + 1),
  );
  return [[bytes], odd, [...single, bytes.subarray(single.length)]];
}
