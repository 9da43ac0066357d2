import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { bundleDownSchema, bundleUpSchema } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import type { Mesh } from '../../mesh/index.ts';
import { readOptional, writeAtomicAs } from '../node/files.ts';
import { errorMessage, MessageStream } from '../node/message-stream.ts';
import { artifactLimits } from './limits.ts';

/** Bundles on disk, by run, job and artifact: one file each, so that any of the three finds it. */
export interface Bundles {
  put(keys: { run: string; job: string; artifact: string | null }, bundle: string): Promise<void>;
  get(which: string): Promise<string | undefined>;
  has(which: string): Promise<boolean>;
  /** In bytes; undefined where there is none. */
  size(which: string): Promise<number | undefined>;
  /** An artifact that was contradicted is proven no more. */
  drop(which: string): Promise<void>;
  /** Of an artifact that is served no more, with what says the same under its run and its job. */
  forget(artifact: string): Promise<void>;
  artifacts(): Promise<string[]>;
}

/** Such a bundle is sent whatever else is. */
const smallBytes = 256 * 1024;

const keyPattern = /^[a-z0-9]{10,100}$/;

export function openBundles(dir: string): Bundles {
  const file = (which: string) => join(dir, `${which}.json`);
  const size = async (which: string) =>
    keyPattern.test(which)
      ? stat(file(which)).then(
          (found) => found.size,
          () => undefined,
        )
      : undefined;
  return {
    size,
    async put({ run, job, artifact }, bundle) {
      const keys = [run, job];
      if (artifact !== null) {
        // A later request for the same work starts from nothing; what an artifact has proven stays proven.
        const before = await readOptional(file(artifact));
        const stays = before !== undefined && levelIn(before) === 'trusted' && levelIn(bundle) !== 'trusted';
        if (!stays) keys.push(artifact);
      }
      await writeAtomicAs(keys.map(file), bundle);
    },
    async get(which) {
      return keyPattern.test(which) ? readOptional(file(which)) : undefined;
    },
    async has(which) {
      return (await size(which)) !== undefined;
    },
    async drop(which) {
      if (keyPattern.test(which)) await rm(file(which), { force: true });
    },
    async forget(artifact) {
      const text = keyPattern.test(artifact) ? await readOptional(file(artifact)) : undefined;
      if (text === undefined) return;
      const { request = '', job = '' } = verdictIn(text) ?? {};
      for (const which of [request, job])
        if (keyPattern.test(which) && (await readOptional(file(which))) === text)
          await rm(file(which), { force: true });
      await rm(file(artifact), { force: true });
    },
    async artifacts() {
      const names = await readdir(dir).catch(() => []);
      return names
        .filter((name) => name.startsWith('bafy') || name.startsWith('bafk'))
        .map((name) => name.slice(0, -'.json'.length));
    },
  };
}

/** What a stored bundle's verdict states; it was checked before it was stored. */
function verdictIn(text: string): { level?: string; request?: string; job?: string } | undefined {
  try {
    const { payload } = JSON.parse(JSON.parse(text).verdict);
    return JSON.parse(Buffer.from(payload, 'base64').toString()).predicate.quorate_verdict;
  } catch {
    return undefined;
  }
}

const levelIn = (text: string): string | undefined => verdictIn(text)?.level;

/**
 * Gives a bundle to whoever asks: it is public, and proves itself. Each is in memory as a whole while it is sent, so of large
 * ones only so many are at once, however many ask and do not read.
 */
export function serveBundles(
  mesh: Mesh,
  bundles: Bundles,
  bytesMax = artifactLimits.bundlesSentBytesMax,
): void {
  let sending = 0;
  mesh.handle(
    protocols.bundle,
    async (channel) => {
      const talk = new MessageStream<unknown, { which: string }>(channel, bundleUpSchema, 'a bundle request');
      let held = 0;
      try {
        const asked = await talk.receive({ timeoutMs: 10_000 });
        if (asked === undefined) return;
        const bytes = (await bundles.size(asked.which)) ?? 0;
        if (bytes > smallBytes && sending > 0 && sending + bytes > bytesMax)
          throw new QuorateError('BUNDLE_BUSY', 'too many bundles are being sent; try again in a moment');
        held = bytes;
        sending += held;
        const bundle = await bundles.get(asked.which);
        if (bundle === undefined)
          throw new QuorateError('BUNDLE_NONE', `there is no bundle for ${asked.which} here`);
        await talk.send({ kind: 'bundle', bundle, addrs: [] });
      } catch (error) {
        await talk.send(errorMessage(error)).catch(() => {});
      } finally {
        sending -= held;
      }
      await talk.close();
    },
    {
      maxInboundStreams: 8,
      maxMessageBytes: limits.documentBytesMax,
      maxSendBytes: limits.bundleBytesMax,
    },
  );
}

/** Asks one peer. Undefined where it has none. Throws `MESH_…`, `WIRE_INVALID`. */
export async function askBundle(
  mesh: Mesh,
  peer: { id: string; addrs: string[] },
  which: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const channel = await mesh.open(peer, protocols.bundle, { signal, maxMessageBytes: limits.bundleBytesMax });
  const talk = new MessageStream<{ which: string }, ReturnType<typeof bundleDownSchema.parse>>(
    channel,
    bundleDownSchema,
    'a bundle answer',
  );
  try {
    await talk.send({ which });
    const answer = await talk.receive({ timeoutMs: 30_000, signal });
    return answer?.kind === 'bundle' ? answer.bundle : undefined;
  } finally {
    await talk.close();
  }
}
