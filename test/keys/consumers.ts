import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from '../../src/http/verify-page/browser/check.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { openWebVerifier } from '../../src/identity/web-verifier.ts';
import { openRevocationBook } from '../../src/node/membership/revocation-file.ts';
import { joseDocuments, signingOf } from '../../src/node/ports.ts';
import { codeOf } from '../../src/protocol/base/errors.ts';
import { type Bundle, encodeBundle, leaves as leafOf } from '../../src/protocol/documents/index.ts';
import { LogCopy } from '../../src/protocol/sessions/log-copy.ts';
import { RevocationBook } from '../../src/protocol/sessions/revocation-book.ts';
import { RunVerifier } from '../../src/protocol/sessions/run-verifier.ts';
import {
  addWitness,
  formatCheckpoint,
  MerkleTree,
  signCheckpoint,
  witnessCheckpoint,
} from '../../src/protocol/transparency/index.ts';
import type { Verification } from '../../src/protocol/trust/index.ts';
import { proofIn } from '../../src/store-node/node/evidence.ts';
import type { WorkerEvent } from '../../src/worker/machine/events.ts';
import { Cosigner } from '../../src/worker/sessions/cosigner.ts';
import { DraftChecks } from '../../src/worker/sessions/draft-checks.ts';
import { LogWitness } from '../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../src/worker/sessions/revocation-feed.ts';
import { quorate } from '../cli/support.ts';
import { at, log, type Project, project, trusted } from '../support/project.ts';
import { type Case, next } from './bundles.ts';
import type { Answer } from './table.ts';

/** A party with this case before it. Rejects where its own entry does; resolves with what it said otherwise. */
type Asks = (given: Case, dir: string) => Promise<Answer>;

const bundleOf = ({ real }: Case): Bundle => real.bundle;
export const listOf = ({ charters, revocations }: Case) => ({ charters, revocations });

/** The outcome of a verification, as a cell of the table. */
export function answerOf({ ok, code, level }: Pick<Verification, 'ok' | 'code' | 'level'>): Answer {
  if (!ok) return code ?? 'no code';
  return level === 'trusted' ? 'accepted' : `no more than ${level}`;
}

const orCode = (ask: () => Promise<Answer>): Promise<Answer> =>
  ask().catch((error: unknown) => codeOf(error));

async function bookOf(given: Case): Promise<RevocationBook> {
  const book = await RevocationBook.open(project, joseVerifier);
  await book.learn(listOf(given));
  return book;
}

/** Shown the draft, before it co-signs. */
const trustedWorker: Asks = async (given) => {
  const { draft, leaves, charter } = given.real;
  const inForce =
    given.inForce === undefined ? charter : await joseDocuments.message('charter', given.inForce);
  const now = (at + 1000) * 1000;
  const found: WorkerEvent[] = [];
  const ports = {
    signing: signingOf(trusted.signer),
    clock: { now: () => now, monotonic: () => now, closing: false },
    credentials: {
      membership: { project, controllers: [], charter: inForce.raw },
      charter: inForce.payload,
      learnCharter: async () => {},
    },
    witnessFile: { load: async () => undefined, save: async () => {} },
    leafFile: { load: async () => [...leaves], append: async () => {} },
    revocations: await bookOf(given),
    dispatch: async (event: WorkerEvent) => void found.push(event),
    machine: { leaseOf: () => ({}) },
    tell: () => {},
  } as unknown as WorkerPorts;
  const feed = new RevocationFeed(ports);
  const witness = new LogWitness(ports, feed);
  const checks = new DraftChecks(ports, feed, witness);
  const cosigner = new Cosigner(ports, checks, witness, { cosigned: () => {} });
  await cosigner.check('lease', encodeBundle(draft));
  const [checked] = found;
  if (checked?.kind !== 'cosign-checked') return 'waits for a draft under the charter in force';
  const { payload } = await joseDocuments.verdict(draft.verdict);
  const { level } = payload.predicate.quorate_verdict;
  return answerOf({ ok: checked.ok, code: checked.code, level: level === 'trusted' ? level : 'agreed' });
};

const page: Asks = async (given) => {
  const text = encodeBundle(bundleOf(given));
  const { result } = await check(
    {
      project,
      bundle: { name: 'bundle', bytes: text.length, text: async () => text },
      artifact: undefined,
      brought: { from: 'a file', revocations: [JSON.stringify(listOf(given))] },
      now: at * 1000,
    },
    await openWebVerifier(),
  );
  return answerOf(result);
};

const store: Asks = async (given) => {
  const { revoked } = await bookOf(given);
  const { entry } = await proofIn(encodeBundle(bundleOf(given)), { project, revoked: () => revoked });
  return entry.level === 'trusted' ? 'accepted' : `no more than ${entry.level}`;
};

/** From a home that has learned the revocations before. */
const verify: Asks = async (given, dir) => {
  await (await openRevocationBook(dir, project)).learn(listOf(given));
  const { tool, bundleFile } = given.real;
  const args = ['verify', tool, '--bundle', bundleFile, '--project', project, '--json'];
  const { out } = await quorate(args, { env: { QUORATE_HOME: dir } });
  return answerOf(JSON.parse(out.trim().split('\n').at(-1) ?? '{}'));
};

/** Of a run that it published, with what its project has in the log since. */
const watch: Asks = async (given) => {
  const { real, inForce } = given;
  const { payload } = real.request;
  const current = await newest(real, inForce);
  const verifier = new RunVerifier({
    project,
    documents: joseDocuments,
    book: () => bookOf(given),
    log: new LogCopy({ load: async () => [], append: async () => {} }),
    now: () => (at + 1100) * 1000,
    ageSecondsMax: 600,
  });
  const source = {
    charter: async () => inForce ?? real.charter.raw,
    checkpoint: async () => ({ note: current.note, grants: [] }),
    leaves: async (from: number) => current.leaves.slice(from),
    bundle: async () => real.bundle,
    revocations: async () => {},
  };
  const { repo, ref, commit } = payload;
  await verifier.verify(source, { request: real.request.id, repo, ref, commit, job: 'app' });
  return 'accepted';
};

/** The checkpoint and the leaves under the charter in force, which is the last of them. */
async function newest(
  { bundle, leaves, request }: Project,
  inForce: string | undefined,
): Promise<{ note: string; leaves: readonly string[] }> {
  if (inForce === undefined) return { note: bundle.checkpoint, leaves };
  const charter = await joseDocuments.message('charter', inForce);
  const all = [...leaves, leafOf.charter(charter.id)];
  const tree = new MerkleTree(all);
  const keys = [log, next, trusted];
  const signer = (id: string | undefined) => keys.find((key) => key.id === id)?.signer ?? log.signer;
  const body = formatCheckpoint({ project: request.payload.project, size: tree.size, root: tree.root() });
  const note = await signCheckpoint(body, signer(charter.payload.log));
  const line = await witnessCheckpoint(note, signer(charter.payload.trusted[0]), at + 1010);
  return { note: addWitness(note, line), leaves: all };
}

/** Parties that need no network, by name. */
export const consumers: Record<'trusted worker' | 'verify' | 'page' | 'store' | 'watch', Asks> = {
  'trusted worker': trustedWorker,
  verify,
  page,
  store,
  watch,
};

export async function askConsumer(party: keyof typeof consumers, given: Case): Promise<Answer> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-keys-'));
  try {
    return await orCode(() => consumers[party](given, dir));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
