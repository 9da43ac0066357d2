import type { NodeKey } from '../../src/identity/keys.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { fromUtf8 } from '../../src/protocol/base/text.ts';
import { isoTime } from '../../src/protocol/base/time.ts';
import {
  addSignature,
  type Bundle,
  type Charter,
  claimedStatementId,
  cosignStatement,
  encodeJob,
  type Job,
  leaves,
  makeVerdict,
  type OwnBundle,
  openStatement,
  type Request,
  signMessage,
  signStatement,
  type VerdictFacts,
} from '../../src/protocol/documents/index.ts';
import { MerkleTree } from '../../src/protocol/transparency/index.ts';
import * as it from './documents.ts';
import { type Project, workerKey } from './project.ts';

/** Changes to an answer that is right. */
export interface AnswerRecipe {
  /** The earlier request of the same job. */
  from: Project;
  /** The job that is asked for, where it is another one. */
  job?: Partial<Job>;
  level?: VerdictFacts['level'];
  charter?: (valid: Charter) => Charter;
  request?: (valid: Request) => Request;
  /** When the verdict says that it was made, in seconds after it was. */
  later?: number;
  facts?: (valid: VerdictFacts) => VerdictFacts;
  /** That the verdict lists. */
  files?: readonly { path: string; sha256: string }[];
  /** Where the verdict is in the log, from its end. */
  back?: number;
  /** Signs the answer and the checkpoint that it is under, beside controller and log; nobody unless told. */
  cosigner?: NodeKey;
  /** Sign the checkpoint alone: workers of these operators, with their grants, and a trusted worker. */
  witnesses?: readonly string[];
  /** When these do, in seconds since the epoch. */
  witnessedAt?: number;
  evidence?: (valid: OwnBundle[]) => OwnBundle[];
  bundle?: (valid: Bundle) => Bundle;
}

export interface Answer {
  bundle: Bundle;
  request: string;
  leaves: string[];
}

/** The verdict and the bundle of a request that is answered from the evidence of an earlier one, signed by the right keys. */
export async function makeAnswer(recipe: AnswerRecipe): Promise<Answer> {
  const same = <T>(value: T): T => value;
  const { from, level = 'trusted', back = 0, files = [], later = 0 } = recipe;
  const { bytes, id } = encodeJob(it.makeJob(recipe.job));
  const charter = await signMessage('charter', (recipe.charter ?? same)(it.makeCharter()), it.root.signer);
  const publisher = await signMessage(
    'grant',
    it.makeGrant(it.publisher, 'owner', 'publisher', { iat: it.at, exp: it.at + 86_400 }),
    it.idp.signer,
  );
  const asked = it.makeRequest(id, {
    jti: it.nonceOf('again'),
    ref: 'refs/heads/next',
    iat: it.at + 2000,
    exp: it.at + 9000,
  });
  const request = await signMessage('request', (recipe.request ?? same)(asked), it.publisher.signer);
  const before = await openStatement('verdict', from.bundle.verdict, joseVerifier);
  const { outcome } = before.payload.predicate.quorate_verdict;
  const { repo, ref, commit, policy } = request.payload;
  const facts: VerdictFacts = {
    project: it.project,
    job: id,
    name: it.makeJob(recipe.job).name,
    request: request.id,
    repo,
    ref,
    commit,
    policy,
    level,
    outcome,
    receipts: [],
    earlier: { request: from.request.id, verdict: claimedStatementId(from.bundle.verdict) ?? '' },
  };
  const payload = makeVerdict({
    controller: it.controller.id,
    time: isoTime((it.at + 3000 + later) * 1000),
    files: [...files],
    facts: (recipe.facts ?? same)(facts),
  });
  const verdict = await signStatement('verdict', payload, it.controller.signer);
  const leaf = leaves.verdict(verdict.id, id);
  const lines = from.leaves.toSpliced(from.leaves.length - back, 0, leaf);
  const tree = new MerkleTree(lines);
  const index = lines.indexOf(leaf);
  const { inputs = [], ...own } = from.bundle;
  const { cosigner, witnesses = [], witnessedAt = it.at + 3010 + later } = recipe;
  const signature = cosigner && (await cosignStatement(verdict.raw, cosigner.signer));
  let note = await it.noteOf(tree);
  const grants: string[] = [];
  for (const operator of witnesses) {
    const key = workerKey(operator);
    note = await it.witnessedBy(note, key, witnessedAt);
    const grant = it.makeGrant(key, operator, 'worker', { iat: it.at, exp: it.at + 86_400 });
    grants.push((await signMessage('grant', grant, it.idp.signer)).raw);
  }
  if (cosigner !== undefined) note = await it.witnessedBy(note, cosigner, witnessedAt);
  const bundle: Bundle = {
    v: 1,
    charter: charter.raw,
    request: request.raw,
    publisher: publisher.raw,
    job: fromUtf8(bytes),
    offers: [],
    receipts: [],
    checkpoint: note,
    verdict: cosigner && signature ? addSignature(verdict.raw, cosigner.id, signature) : verdict.raw,
    ...(grants.length > 0 && { witnesses: grants }),
    entries: [{ leaf, index, path: tree.inclusion(index) }],
    inputs: (recipe.evidence ?? same)([own, ...inputs]),
  };
  return { bundle: (recipe.bundle ?? same)(bundle), request: request.id, leaves: lines };
}
