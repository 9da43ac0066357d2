import type { NodeKey } from '../../src/identity/keys.ts';
import { sandboxProfile } from '../../src/protocol/base/sandbox-profile.ts';
import { fromUtf8 } from '../../src/protocol/base/text.ts';
import { isoTime } from '../../src/protocol/base/time.ts';
import {
  addSignature,
  artifactOf,
  type Bundle,
  type BundledReceipt,
  type Charter,
  cosignStatement,
  encodeJob,
  type FileHash,
  filesOf,
  formatNoteKey,
  fromBase64,
  type Grant,
  idOf,
  type Job,
  type Lease,
  leaves,
  type Messages,
  makeReceipt,
  makeVerdict,
  noteKinds,
  type Offer,
  type Outcome,
  type OwnBundle,
  type Policy,
  parseNoteKey,
  type Receipt,
  type ReceiptFacts,
  type Request,
  resultOf,
  type Slot,
  signMessage,
  signStatement,
  type Verdict,
  type VerdictFacts,
  type Verified,
} from '../../src/protocol/documents/index.ts';
import { linkPartsOf, signLink } from '../../src/protocol/interop/index.ts';
import { addWitness, MerkleTree, witnessCheckpoint } from '../../src/protocol/transparency/index.ts';
import { decide, provenBy, type Vote, verdictLevelOf } from '../../src/protocol/trust/decide.ts';
import type { Revoked } from '../../src/protocol/trust/revocations.ts';
import { needsWitnesses } from '../../src/protocol/trust/witnesses.ts';
import * as it from './documents.ts';

export * from './documents.ts';

/** One run of a build: who, in which slot of which round, and how it ended. */
export interface Run {
  operator: string;
  /** Which of the operator's machines: each has a key. */
  machine?: number;
  round?: number;
  slot?: Slot;
  /** Short for an outcome with exit status 0: the name of a tree (`cidOf`). */
  builds?: string;
  outcome?: Outcome;
}

/** Changes to a valid project. Each edit gets the valid thing and gives the one to sign. */
export interface Recipe {
  policy?: Policy;
  runs?: Run[];
  /** The trusted worker's own run; null: it did none. */
  own?: Run | null;
  /** Default: what `decide` says of the runs. */
  level?: VerdictFacts['level'];
  outcome?: Outcome | null;
  /** Artifacts that the job reads, by the name of the input: that of another project's job, unless another one is filled in. */
  reads?: Record<string, { from: Project; level?: 'agreed' | 'trusted'; artifact?: string; gate?: true }>;
  /** Files of the trees that were built; default: one, made up. */
  files?: { path: string; sha256: string }[];
  /** The log goes on from that of another project. */
  after?: Project;
  job?: Partial<Job>;
  charter?: (valid: Charter) => Charter;
  request?: (valid: Request) => Request;
  publisherGrant?: (valid: Grant) => Grant;
  offer?: (valid: Offer) => Offer;
  lease?: (valid: Lease, run: Run) => Lease;
  grant?: (valid: Grant, run: Run) => Grant;
  facts?: (valid: ReceiptFacts, run: Run) => ReceiptFacts;
  receipt?: (valid: Receipt, run: Run) => Receipt;
  verdictFacts?: (valid: VerdictFacts) => VerdictFacts;
  verdict?: (valid: Verdict) => Verdict;
  /** When the trusted worker and witnesses sign the checkpoint, in seconds since the epoch. */
  witnessedAt?: number;
  /** Operators whose workers witness a verdict that needs no co-signature; default: those of the runs. Of other operators than these, with their grants. */
  witnesses?: Run[];
  /** Witnesses of others, by name, and when they sign where that is another time. */
  namedWitnesses?: string[];
  namedWitnessedAt?: number;
  /** Other keys than those of the project, by what they sign. */
  keys?: Partial<
    Record<
      'root' | 'controller' | 'offers' | 'leases' | 'idp' | 'publisher' | 'log' | 'cosigner' | 'witness',
      NodeKey
    >
  >;
  /** The key that signs a run's receipt, where not its own. */
  receiptKey?: (run: Run) => NodeKey | undefined;
  /** The log, before it is signed: leaves may be dropped or moved. */
  log?: (leaves: string[]) => string[];
  bundle?: (valid: Bundle) => Bundle;
}

export interface Project {
  /** With the trusted worker's signatures where the verdict says `trusted` or `failed` and it did a run. */
  bundle: Bundle;
  /** Without them. */
  draft: Bundle;
  jobId: string;
  artifact: string | null;
  charter: Verified<Charter>;
  request: Verified<Request>;
  offers: Verified<Offer>[];
  votes: Vote[];
  leaves: string[];
}

/** A revocation of a key as a consumer knows it. */
export const keyRevoked = (id: string, since: number, byRoot = true): Revoked => ({
  what: { kind: 'key', id },
  since,
  reason: 'stolen',
  byRoot,
});

export const workerKey = (operator: string, machine = 0): NodeKey => it.testKey(`${operator} ${machine}`);

const threeAlike: Run[] = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'good' }));
const ownGood: Run = { operator: 'owner', slot: 'trusted', builds: 'good' };
export const exit = (builds: string | null, code = 0): Outcome => ({
  kind: 'exit',
  code,
  artifact: builds === null ? null : it.cidOf(builds),
});

const outcomeOf = (run: Run): Outcome => run.outcome ?? exit(run.builds ?? 'good');
const filesIn = (outcome: Outcome) =>
  artifactOf(outcome) === null ? [] : [{ path: 'app', sha256: idOf({ app: artifactOf(outcome) }) }];
const keyOf = (run: Run) => (run.slot === 'trusted' ? it.trusted : workerKey(run.operator, run.machine));
const roleOf = (run: Run) => (run.slot === 'trusted' ? 'trusted-worker' : 'worker');

/** Signs as `key`, whatever the payload says of its issuer. */
function sign<K extends keyof Messages>(
  kind: K,
  payload: Messages[K],
  key: NodeKey,
): Promise<Verified<Messages[K]>> {
  return signMessage(kind, { ...payload, iss: key.id }, key.signer);
}

/** With the worker's signature of its in-toto link, as a real worker's. */
async function linked(receipt: Receipt, key: NodeKey): Promise<Receipt> {
  const parts = linkPartsOf(receipt);
  if (parts === undefined) return receipt;
  const link = await signLink(parts, key.signer);
  const { predicate } = receipt;
  return { ...receipt, predicate: { ...predicate, quorate_receipt: { ...predicate.quorate_receipt, link } } };
}

/**
 * A whole project with real keys and signatures: charter, request, rounds, receipts, verdict, log, bundle. Without a
 * recipe it is valid and its artifact trusted; a recipe changes one thing and leaves the rest as it follows from that.
 */
export async function makeProject(recipe: Recipe = {}): Promise<Project> {
  const same = <T>(value: T): T => value;
  const keys = {
    root: it.root,
    controller: it.controller,
    idp: it.idp,
    publisher: it.publisher,
    log: it.log,
    cosigner: it.trusted,
    ...recipe.keys,
  };
  const policy = recipe.policy ?? it.policy;
  const own = recipe.own === undefined ? ownGood : recipe.own;
  const slots = new Map<number, number>();
  const runs = (recipe.runs ?? threeAlike).map((run) => {
    const round = run.round ?? 1;
    const next = slots.get(round) ?? 0;
    slots.set(round, next + 1);
    return { ...run, round, slot: run.slot ?? next };
  });
  if (own !== null) runs.push({ round: 1, ...own, slot: 'trusted' });

  const reads = Object.entries(recipe.reads ?? {});
  const template = it.makeJob(recipe.job);
  const inputs = Object.fromEntries(
    reads
      .filter(([, { gate }]) => gate !== true)
      .map(([name, { from, artifact }]) => [name, artifact ?? from.artifact ?? '']),
  );
  const job = reads.length === 0 ? template : { ...template, inputs };
  const { bytes, id: jobId } = encodeJob(job);
  const needs = Object.fromEntries(
    reads.map(([name, { from, level = 'trusted', gate }]) => [
      name,
      { request: from.request.id, level, ...(gate !== undefined && { gate }) },
    ]),
  );
  const asked = { policy, ...(reads.length > 0 && { needs }) };
  const charter = await sign('charter', (recipe.charter ?? same)(it.makeCharter()), keys.root);
  const publisherGrant = await sign(
    'grant',
    (recipe.publisherGrant ?? same)(it.makeGrant(keys.publisher, 'owner', 'publisher')),
    keys.idp,
  );
  const request = await sign(
    'request',
    (recipe.request ?? same)(it.makeRequest(encodeJob(template).id, asked)),
    keys.publisher,
  );

  const lines = [...(recipe.after?.leaves ?? [leaves.charter(charter.id)])];
  const enrolled = new Map<string, number>();
  for (const run of runs) {
    const who = `${run.operator} ${roleOf(run)}`;
    const before = lines.findIndex((line) => line.startsWith(`enrol ${who} `));
    const first =
      before >= 0 ? before : lines.push(leaves.enrol(run.operator, roleOf(run), it.nonceOf(who))) - 1;
    enrolled.set(who, first);
  }

  const offers: Verified<Offer>[] = [];
  const receipts: BundledReceipt[] = [];
  const votes: Vote[] = [];
  const made: { outcome: Outcome; result: string | null; files: FileHash[] }[] = [];
  let fences = 0;
  const rounds = Math.max(...runs.map(({ round }) => round));
  for (let round = 1; round <= rounds; round++) {
    const valid = it.makeOffer(request.id, jobId, {
      round,
      policy,
      index: lines.length,
      iat: it.at + 100 * round,
    });
    const offer = await sign('offer', (recipe.offer ?? same)(valid), keys.offers ?? keys.controller);
    offers.push(offer);
    lines.push(leaves.offer(offer.id, jobId, request.id));
    for (const run of runs.filter((candidate) => candidate.round === round)) {
      const key = keyOf(run);
      const iat = offer.payload.iat + 10;
      const lease = await sign(
        'lease',
        (recipe.lease ?? same)(
          {
            iss: keys.controller.id,
            aud: key.id,
            project: it.project,
            claim: idOf(`claim of ${key.id}`),
            offer: offer.id,
            job: jobId,
            round,
            operator: run.operator,
            slot: run.slot,
            fence: { epoch: 1, n: ++fences },
            iat,
            exp: iat + 900,
          },
          run,
        ),
        keys.leases ?? keys.controller,
      );
      const since = enrolled.get(`${run.operator} ${roleOf(run)}`) ?? 0;
      const grant = await sign(
        'grant',
        (recipe.grant ?? same)(it.makeGrant(key, run.operator, roleOf(run), { enrolled: since }), run),
        keys.idp,
      );
      const outcome = outcomeOf(run);
      const facts: ReceiptFacts = {
        project: it.project,
        job: jobId,
        offer: lease.payload.offer,
        lease: lease.id,
        round: lease.payload.round,
        slot: lease.payload.slot,
        fence: lease.payload.fence,
        operator: lease.payload.operator,
        outcome,
        log: it.cidOf(`log of ${key.id}`),
        sandbox: { tier: 'namespace', profile: sandboxProfile, portable: true },
        nonce: it.nonceOf(`receipt ${key.id} ${round}`),
      };
      const payload = makeReceipt({
        worker: key.id,
        job,
        files: artifactOf(outcome) === null ? [] : (recipe.files ?? filesIn(outcome)),
        startedOn: isoTime((iat + 1) * 1000),
        finishedOn: isoTime((iat + 60) * 1000),
        facts: (recipe.facts ?? same)(facts, run),
      });
      const signer = (recipe.receiptKey?.(run) ?? key).signer;
      const receipt = await signStatement(
        'receipt',
        (recipe.receipt ?? same)(await linked(payload, key), run),
        signer,
      );
      const index = lines.push(leaves.receipt(receipt.id, offer.id)) - 1;
      receipts.push({ envelope: receipt.raw, lease: lease.raw, grant: grant.raw });
      const { payload: said } = receipt;
      made.push({ outcome, result: resultOf(said), files: filesOf(said) });
      votes.push({
        receipt: receipt.id,
        worker: key.id,
        operator: run.operator,
        issuer: grant.signer,
        role: roleOf(run),
        round,
        slot: run.slot,
        index,
        enrolled: grant.payload.enrolled,
        offerIndex: offer.payload.index,
        outcome: receipt.payload.predicate.quorate_receipt.outcome,
        result: resultOf(receipt.payload),
        sealed: true,
      });
    }
  }

  const trustedKeys = charter.payload.trusted;
  const decision = decide(
    policy,
    { kind: job.kind, votes, trustedKeys, cosigned: trustedKeys, inputs: {} },
    { keys: {} },
  );
  const level = recipe.level ?? verdictLevelOf(decision);
  const decided = provenBy(level) === 'none' ? null : decision.outcome;
  const outcome = recipe.outcome === undefined ? decided : recipe.outcome;
  const { repo, ref, commit, recipe: jobFile } = request.payload;
  const facts: VerdictFacts = {
    project: it.project,
    job: jobId,
    name: job.name,
    ...(job.kind !== undefined && { kind: job.kind }),
    request: request.id,
    repo,
    ref,
    commit,
    ...(jobFile !== undefined && { recipe: jobFile }),
    policy,
    level,
    outcome,
    receipts: votes.map(({ receipt, worker, operator, slot, round, index, outcome: ended }) => ({
      receipt,
      worker,
      operator,
      slot,
      round,
      index,
      outcome: ended,
    })),
  };
  const sameTree = made.filter((one) => outcome !== null && idOf(one.outcome) === idOf(outcome));
  const alike = sameTree.find(({ result }) => result === decision.result) ?? sameTree.at(-1);
  const payload = makeVerdict({
    controller: keys.controller.id,
    time: isoTime((it.at + 1000) * 1000),
    files: outcome === null ? [] : (alike?.files ?? []),
    facts: (recipe.verdictFacts ?? same)(facts),
  });
  const verdict = await signStatement('verdict', (recipe.verdict ?? same)(payload), keys.controller.signer);
  lines.push(leaves.verdict(verdict.id, jobId));

  const logged = (recipe.log ?? same)(lines);
  const tree = new MerkleTree(logged);
  const note = await it.noteOf(tree, keys.log);
  const needed = [
    ...offers.map(({ id }) => leaves.offer(id, jobId, request.id)),
    ...votes.map((vote) => leaves.receipt(vote.receipt, offers[vote.round - 1]?.id ?? '')),
    leaves.verdict(verdict.id, jobId),
  ].filter((leaf) => logged.includes(leaf));
  const draft: Bundle = {
    v: 1,
    charter: charter.raw,
    request: request.raw,
    publisher: publisherGrant.raw,
    job: fromUtf8(bytes),
    offers: offers.map(({ raw }) => raw),
    receipts,
    verdict: verdict.raw,
    checkpoint: note,
    ...(reads.length > 0 && { inputs: evidenceOf(reads.map(([, { from }]) => from)) }),
    entries: needed.map((leaf) => {
      const index = logged.indexOf(leaf);
      return { leaf, index, path: tree.inclusion(index) };
    }),
  };
  const signs = own !== null && (level === 'trusted' || level === 'failed');
  const cosigned = signs ? await cosign(draft, keys.cosigner, keys.witness, recipe.witnessedAt) : draft;
  const bundle = needsWitnesses(policy, level, outcome)
    ? await witness(cosigned, recipe, runs, keys.idp)
    : cosigned;
  const edit = recipe.bundle ?? same;
  return {
    bundle: edit(bundle),
    draft: edit(draft),
    jobId,
    artifact: outcome === null ? null : artifactOf(outcome),
    charter,
    request,
    offers,
    votes,
    leaves: logged,
  };
}

/** Bundles of projects, and of those whose artifacts they read, each once. */
function evidenceOf(projects: readonly Project[]): OwnBundle[] {
  const all = projects.flatMap(({ bundle: { inputs = [], ...own } }) => [own, ...inputs]);
  return [...new Map(all.map((own) => [own.request, own])).values()];
}

/** The key of a witness of others. */
const namedWitnessKey = (name: string): NodeKey => it.testKey(`witness ${name}`);
export const namedWitness = (name: string): string =>
  formatNoteKey(name, noteKinds.cosignature, namedWitnessKey(name).id);

/** The line of a witness of others under a note. */
async function namedLine(name: string, note: string, time: number): Promise<string> {
  const key = namedWitnessKey(name);
  const line = await witnessCheckpoint(note, key.signer, time);
  const bytes = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64');
  bytes.set(parseNoteKey(namedWitness(name)).keyId);
  return `\u2014 ${name} ${bytes.toString('base64')}\n`;
}

/** Adds lines of witnesses to a bundle that needs them. */
async function witness(
  draft: Bundle,
  { witnesses, namedWitnesses = [], witnessedAt = it.at + 1010, namedWitnessedAt = witnessedAt }: Recipe,
  runs: readonly Run[],
  idp: NodeKey,
): Promise<Bundle> {
  const workers = runs.filter(({ slot }) => slot !== 'trusted');
  const signing = witnesses ?? workers;
  let { checkpoint } = draft;
  const grants: string[] = [];
  for (const run of signing) {
    const key = workerKey(run.operator, run.machine);
    const line = await witnessCheckpoint(draft.checkpoint, key.signer, witnessedAt);
    if (!checkpoint.includes(line)) checkpoint = addWitness(checkpoint, line);
    const built = workers.some((one) => one.operator === run.operator && one.machine === run.machine);
    if (!built) grants.push((await sign('grant', it.makeGrant(key, run.operator, 'worker'), idp)).raw);
  }
  for (const name of namedWitnesses)
    checkpoint = addWitness(checkpoint, await namedLine(name, draft.checkpoint, namedWitnessedAt));
  return { ...draft, checkpoint, ...(grants.length > 0 && { witnesses: grants }) };
}

/** Adds a trusted worker's signatures to a draft. */
export async function cosign(
  draft: Bundle,
  key: NodeKey,
  witness: NodeKey = key,
  witnessedAt = it.at + 1010,
): Promise<Bundle> {
  return {
    ...draft,
    verdict: addSignature(draft.verdict, key.id, await cosignStatement(draft.verdict, key.signer)),
    checkpoint: addWitness(
      draft.checkpoint,
      await witnessCheckpoint(draft.checkpoint, witness.signer, witnessedAt),
    ),
  };
}

/** A DSSE envelope's payload as an object, to look at or to change. */
export function payloadOf(envelope: string): unknown {
  return JSON.parse(fromUtf8(fromBase64(JSON.parse(envelope).payload, 'payload')));
}
