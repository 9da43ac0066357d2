import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Mesh } from '../../mesh/index.ts';
import { documentVersions } from '../../protocol/documents/index.ts';
import { bundleServer, requestBundle, type StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import { parseFile, readOptional, writeAtomicAs } from '../files.ts';
import { meshDial, nodeLoop } from '../ports.ts';

export type Bundles = ReturnType<typeof openBundles>;

const hint = 'Remove it: a controller makes it again at its next start, others fetch it again.';
const keyPattern = /^[a-z0-9]{10,100}$/;

/** Bundles on disk. Each is found by the id of its run, its job or its artifact: three names of one file. */
export function openBundles(dir: string) {
  const file = (which: string) => join(dir, `${which}.json`);
  /** Size in bytes; undefined when there is no such bundle. */
  const size = async (which: string): Promise<number | undefined> =>
    keyPattern.test(which) ? (await stat(file(which)).catch(() => undefined))?.size : undefined;
  /** Every name there is: of runs, jobs and artifacts. */
  const names = async () => {
    const files = await readdir(dir).catch(() => []);
    return new Set(files.flatMap((name) => /^(.*)\.json$/.exec(name)?.[1] ?? []));
  };
  /** The text of a bundle, whatever is in the file. @throws HOME_UNREADABLE */
  const text = async (which: string) => (keyPattern.test(which) ? readOptional(file(which)) : undefined);
  return {
    size,
    async put(
      { run, job, artifact }: { run: string; job: string | null; artifact: string | null },
      bundle: string,
    ) {
      const keys = job === null ? [run] : [run, job];
      if (artifact !== null) {
        // A later run of the same job starts without receipts: its bundle does not replace a trusted one of the artifact.
        const before = levelIn(bundle) === 'trusted' ? undefined : await readOptional(file(artifact));
        if (before === undefined || levelIn(before) !== 'trusted') keys.push(artifact);
      }
      await writeAtomicAs(keys.map(file), bundle);
    },
    text,
    /** @throws HOME_DAMAGED, HOME_NEWER, HOME_UNREADABLE */
    async get(which: string) {
      const found = await text(which);
      if (found !== undefined)
        parseFile(file(which), found, z.looseObject({}), hint, documentVersions.bundle);
      return found;
    },
    has: async (which: string) => (await size(which)) !== undefined,
    /** Removes the bundle of one name: of an artifact that was contradicted. */
    async drop(which: string) {
      if (keyPattern.test(which)) await rm(file(which), { force: true });
    },
    /** Removes the bundle of an artifact that is no longer served, under all its names. */
    async dropArtifact(artifact: string) {
      const found = await text(artifact);
      if (found === undefined) return;
      const { request = '', job = '' } = verdictIn(found) ?? {};
      for (const which of [request, job])
        if ((await text(which)) === found) await rm(file(which), { force: true });
      await rm(file(artifact), { force: true });
    },
    /** Removes the bundle of a run, under the name of its job too where that is this one. Not under the name of an artifact. */
    async dropRun(run: string) {
      const found = await text(run);
      if (found === undefined) return;
      const { job = '' } = verdictIn(found) ?? {};
      if ((await text(job)) === found) await rm(file(job), { force: true });
      await rm(file(run), { force: true });
    },
    async artifacts() {
      return [...(await names())].filter((name) => name.startsWith('bafy') || name.startsWith('bafk'));
    },
    names,
  };
}

/** The verdict in a stored bundle, which was verified before it was stored. */
function verdictIn(text: string): { level?: string; request?: string; job?: string } | undefined {
  try {
    const { payload } = JSON.parse(JSON.parse(text).verdict);
    return JSON.parse(Buffer.from(payload, 'base64').toString()).predicate.quorate_verdict;
  } catch {
    return undefined;
  }
}

const levelIn = (text: string): string | undefined => verdictIn(text)?.level;

/** Serves bundles on the mesh, see `bundleServer`. */
export function serveBundles(mesh: Mesh, bundles: StoredBundles, bytesMax?: number): void {
  const { protocol, session, options } = bundleServer(bundles, bytesMax, nodeLoop);
  mesh.handle(protocol, session, options);
}

/** Requests a bundle from one peer, as `requestBundle`. Undefined when the peer has none. @throws MESH_…, WIRE_INVALID */
export function fetchBundle(
  mesh: Mesh,
  peer: { id: string; addrs: string[] },
  which: string,
  signal: AbortSignal,
  wholeMs?: number,
): Promise<string | undefined> {
  return requestBundle(meshDial(mesh, signal), peer, which, wholeMs);
}
