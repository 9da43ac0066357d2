import { expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { leaves as leafOf } from '../../../src/protocol/documents/index.ts';
import { checker } from '../../../src/protocol/judge/index.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { learnFromLog, logInMemory } from '../../../src/watcher/node/hook-evidence.ts';
import { codeOf } from '../../support/codes.ts';
import {
  at,
  makeProject,
  noteOf,
  project,
  revocationBy,
  root,
  trusted,
  witnessedBy,
} from '../../support/project.ts';
import { type Answers, answersOf, EvidenceDesk } from '../../watcher/sessions/evidence-desk.ts';

/**
 * Where no bootstrap node is known, a controller is all of the members that a hook can ask for revocations. In its log is one of the artifact
 * that the hook is to publish, and it keeps it back.
 */
const published = await makeProject();
const { bundle } = published;
const what = { kind: 'artifact', id: published.artifact ?? '' } as const;
const revocation = await revocationBy(root, what);
const leaves = [...published.leaves, leafOf.revocation(revocation.id)];
/** Of a trusted worker, an hour after the verdict. */
const later = at + 4_600;
const note = await witnessedBy(await noteOf(new MerkleTree(leaves)), trusted, later);

/** Whether anything voids the artifact, by what the hook knows then; a code where it does not go on. */
async function learned(over: Partial<Answers>, off: string[] = []): Promise<string | boolean> {
  const { source } = new EvidenceDesk({ ...answersOf(published), leaves, note, ...over });
  const book = await RevocationBook.open(project, joseVerifier);
  const learn = learnFromLog(
    { source, copy: logInMemory() },
    { project, bundle, book },
    { now: () => later * 1000, check: checker(new Set(off)) },
  );
  const code = await codeOf(learn);
  return code === 'none' ? book.revoked.length > 0 : code;
}

it('a controller that keeps a revocation back from a hook: it is in the log that the trusted worker signed', async () => {
  expect(await learned({})).toBe('REVOCATION_WITHHELD');
  expect(await learned({}, ['REVOCATION_WITHHELD'])).toBe(false);
  // Control: an honest one.
  expect(await learned({ told: { charters: [], revocations: [revocation.raw] } })).toBe(true);
});

it('and shows it a log of before: nobody but the controller says that it ends there', async () => {
  const before = { leaves: published.leaves, note: bundle.checkpoint };
  expect(await learned(before)).toBe('CHECKPOINT_STALE');
  expect(await learned(before, ['CHECKPOINT_STALE'])).toBe(false);
});
