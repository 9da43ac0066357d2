import { QuorateError } from '../../src/protocol/base/errors.ts';
import {
  type Bundle,
  type Job,
  openStatement,
  type Receipt,
  resultOf,
  type Verdict,
  type Verifier,
} from '../../src/protocol/documents/index.ts';
import { checkEvidence, LogView } from '../../src/protocol/trust/index.ts';
import * as them from '../support/project.ts';
import { makeProject, type Project, type Recipe, type Run } from '../support/project.ts';
import { type Document, type Holder, holders, holds, honest, honestKeys, type Kind } from './holders.ts';
import { edits, openEnvelope, openJws } from './mutants.ts';
import { wholesOf } from './whole-chains.ts';

type Json = Parameters<typeof edits>[0];

export const honestProject = (): Promise<Project> => makeProject(honest);

/** Each document before it was signed. */
async function samples(): Promise<Record<Document, Json>> {
  const found = {} as Record<Document, Json>;
  const take =
    (kind: Document) =>
    <T>(valid: T): T => {
      found[kind] ??= valid as Json;
      return valid;
    };
  await makeProject({
    ...honest,
    request: take('request'),
    publisherGrant: take('publisherGrant'),
    offer: take('offer'),
    lease: take('lease'),
    grant: take('grant'),
    facts: take('facts'),
    receipt: take('receipt'),
    verdictFacts: take('verdictFacts'),
    verdict: take('verdict'),
  });
  found.job = them.makeJob() as unknown as Json;
  return found;
}

/** The bundle that a holder of keys makes of one change, and how it comes by the signatures of others. */
export interface Rebuilt {
  group: string;
  field: string;
  /** Undefined where no valid document can say that. */
  bundle: Bundle | undefined;
}

/** One change, not made yet: there are many. */
export interface Plan {
  group: string;
  field: string;
  make: (verifier: Verifier) => Promise<Rebuilt[]>;
}

/**
 * For each holder of keys, each change of each document it signs. Everything that follows from it is made again: ids, leaves,
 * proofs, and what receipts and the verdict repeat. Twice: `alone`, documents that the holder cannot sign are the honest ones
 * of before; `followed`, all others sign what follows, and the trusted worker what it finds to hold and has built itself.
 */
export async function rebuiltPlans(): Promise<Plan[]> {
  const before = await honestProject();
  const of = await samples();
  return holders.flatMap((holder) =>
    holder.kinds.flatMap((kind): Plan[] => {
      const changes = changesOf(kind, holder, of, before.leaves.length);
      // A document has its signer as issuer, whatever it says: an issuer that differs is for the mutants of one document.
      return changes
        .filter(([field]) => field !== 'iss')
        .map(([field, recipe]) => ({
          group: `${holder.name}: ${kind}`,
          field,
          make: (verifier) =>
            rebuild(before, holder, { group: `${holder.name}: ${kind}`, field }, recipe, verifier),
        }));
    }),
  );
}

function changesOf(
  kind: Kind,
  holder: Holder,
  of: Record<Document, Json>,
  leaves: number,
): [string, Recipe][] {
  if (kind === 'whole') return wholesOf(holder);
  if (kind === 'log')
    return Array.from({ length: leaves }, (_, at): [string, Recipe][] => [
      [`${at} dropped`, { ...honest, log: (lines) => lines.toSpliced(at, 1) }],
      [`${at} is another`, { ...honest, log: (lines) => lines.with(at, 'verdict of somebody') }],
    ]).flat();
  const document = kind === 'stated receipt' ? 'receipt' : kind;
  const fields = [...edits(of[document], 'likely')].map(({ field }) => field);
  return fields.map((field, n) => {
    const recipe = editOf(document, fields, n, holder);
    return [field, kind === 'stated receipt' ? stated(recipe) : recipe];
  });
}

/** The verdict states as trusted what the first of the workers says it made. */
function stated(recipe: Recipe): Recipe {
  const { receipt = (valid: Receipt) => valid } = recipe;
  let said: Receipt | undefined;
  return {
    ...recipe,
    level: 'trusted',
    receipt: (valid, run) => {
      const made = receipt(valid, run);
      said ??= made;
      return made;
    },
    verdictFacts: (facts) => ({
      ...facts,
      outcome: said?.predicate.quorate_receipt.outcome ?? null,
    }),
    verdict: (verdict) => ({ ...verdict, subject: said?.subject ?? [] }),
  };
}

function editOf(kind: Document, fields: readonly string[], n: number, holder: Holder): Recipe {
  const field = fields[n] ?? '';
  const nthOfField = fields.slice(0, n).filter((other) => other === field).length;
  /** Of another run's document there may be fewer changes to a field: then the last. */
  const change = <T>(valid: T): T => {
    const found = [...edits(valid as Json, 'likely')].filter((edit) => edit.field === field);
    return (found[nthOfField] ?? found.at(-1) ?? { value: valid }).value as T;
  };
  return recipeOf(kind, change, holder);
}

function recipeOf(kind: Document, nth: <T>(valid: T) => T, holder: Holder): Recipe {
  const first = new Set<string>();
  /** A worker's own documents where it holds some worker's key, else those of the first run. */
  const own = <T>(valid: T, run: Run): T => {
    const workers = [...(honest.runs ?? []), { operator: 'owner', slot: 'trusted' } as const];
    if (workers.some((each) => holds(holder, each))) return holds(holder, run) ? nth(valid) : valid;
    first.add(run.operator);
    return first.size === 1 && first.has(run.operator) ? nth(valid) : valid;
  };
  switch (kind) {
    case 'job':
      return { ...honest, job: nth(them.makeJob()) as Partial<Job> };
    case 'lease':
    case 'grant':
    case 'facts':
    case 'receipt':
      return { ...honest, [kind]: own };
    default:
      return { ...honest, [kind]: nth };
  }
}

async function rebuild(
  before: Project,
  holder: Holder,
  { group, field }: { group: string; field: string },
  recipe: Recipe,
  verifier: Verifier,
): Promise<Rebuilt[]> {
  let after: Project;
  try {
    after = await makeProject(recipe);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return [{ group, field, bundle: undefined }];
  }
  return [
    { group: `${group} alone`, field, bundle: alone(before, after, holder) },
    { group: `${group} followed`, field, bundle: await followed(after, holder, verifier) },
  ];
}

/** Its own documents as they are now, the documents of others as they were. */
function alone(before: Project, after: Project, { keys }: Holder): Bundle {
  const ids = new Set(keys.map(({ id }) => id));
  /** Keys of operators that the holder made up are its own too. */
  const signs = (id: string) => ids.has(id) || !honestKeys.has(id);
  const jws = (now: string, was = now) => (signs((openJws(now).header as { kid: string }).kid) ? now : was);
  const envelope = (now: string, was = now) =>
    signs(openEnvelope(now).signatures[0]?.keyid ?? '') ? now : was;
  const [was, now] = [before.bundle, after.bundle];
  const cosigned = ids.has(them.trusted.id) ? after.bundle : after.draft;
  const logs = ids.has(them.log.id);
  return {
    ...was,
    request: jws(now.request, was.request),
    publisher: jws(now.publisher, was.publisher),
    job: ids.has(them.publisher.id) ? now.job : was.job,
    offers: now.offers.map((raw, i) => jws(raw, was.offers[i])),
    receipts: now.receipts.map((receipt, i) => ({
      envelope: envelope(receipt.envelope, was.receipts[i]?.envelope),
      lease: jws(receipt.lease, was.receipts[i]?.lease),
      grant: jws(receipt.grant, was.receipts[i]?.grant),
    })),
    verdict: ids.has(them.controller.id) ? cosigned.verdict : was.verdict,
    checkpoint: logs ? cosigned.checkpoint : was.checkpoint,
    entries: logs ? now.entries : was.entries,
  };
}

/** Everybody signs what follows from the change, the trusted worker what a trusted worker does. */
async function followed(after: Project, { keys }: Holder, verifier: Verifier): Promise<Bundle> {
  if (keys.includes(them.trusted)) return after.bundle;
  const held = await checkEvidence(
    after.draft,
    { project: them.project, log: LogView.of(after.leaves) },
    verifier,
  );
  if (!held.ok) return after.draft;
  const { payload } = await openStatement('verdict', after.draft.verdict, verifier);
  const own = after.votes.find(({ worker }) => worker === them.trusted.id);
  const same = resultOf(payload satisfies Verdict) === own?.result;
  return same ? after.bundle : after.draft;
}
