import { QuorateError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { recipeText } from '../../base/recipe-name.ts';
import {
  type Bundle,
  claimedIdOf,
  type Job,
  type OwnBundle,
  type Request,
  sameValue,
} from '../../documents/index.ts';
import { atLeast, type Level } from '../evidence.ts';
import type { Revoked } from '../revocations.ts';
import type { Verification } from '../verification.ts';
import type { Ask, Logged, Opened } from './context.ts';

/** Bundles of what a job reads, as a worker gets them: of each run the newest. Holds no more than the job's own bundle may. */
export class InputBundles {
  /** By request, as signed. `nested`: out of the bundle of another input, which may be older. */
  readonly #held = new Map<string, { own: OwnBundle; bytes: number; nested: boolean }>();
  #bytes = 0;

  get all(): OwnBundle[] {
    return [...this.#held.values()].map(({ own }) => own);
  }

  /** @throws `INPUT_EVIDENCE_TOO_LARGE`. */
  add({ inputs = [], ...own }: Bundle): void {
    this.#keep(own, false);
    for (const input of inputs) this.#keep(input, true);
  }

  #keep(own: OwnBundle, nested: boolean): void {
    const before = this.#held.get(own.request);
    if (before !== undefined && (nested || !before.nested)) return;
    const bytes = JSON.stringify(own).length;
    this.#bytes += bytes - (before?.bytes ?? 0);
    if (this.#bytes > limits.bundleBytesMax || this.#held.size > limits.bundleInputsMax)
      throw new QuorateError(
        'INPUT_EVIDENCE_TOO_LARGE',
        'there is more evidence of what the job reads than its own bundle may hold: the controller would not have taken such a job',
      );
    this.#held.set(own.request, { own, bytes, nested });
  }
}

/** The subject of a verification that held. */
export interface Proven {
  bundle: OwnBundle;
  opened: Opened;
  logged: Logged;
  /** Trusted workers of its charter that signed its verdict. */
  cosigners: readonly string[];
  /** Those that count under its charter. */
  revoked: Ask['revoked'];
}

export interface Checked extends Verification {
  /** Undefined unless `ok`. */
  proven: Proven | undefined;
  /** A log with two stories beneath, in neither of which a trusted worker signed it: counts only for a verdict for which one checked it. */
  fork: Revoked | undefined;
}

/** `input`: of what a job rests on; `earlier`: of the same job for an earlier request, without what that rested on. */
export type Of = 'input' | 'earlier';

/** The evidence of all that a job rests on, directly or not: each bundle is verified once, however many jobs rest on it. */
export class InputEvidence {
  /** By the request that each says it is about. */
  readonly #held = new Map<string, OwnBundle>();
  readonly #verified: Record<Of, Map<string, Promise<Checked>>> = { input: new Map(), earlier: new Map() };
  readonly #verify: (bundle: OwnBundle, of: Of) => Promise<Checked>;
  /** A request that several bundles say they are about. */
  readonly twice: string | undefined;

  constructor(bundles: readonly OwnBundle[], verify: (bundle: OwnBundle, of: Of) => Promise<Checked>) {
    this.#verify = verify;
    for (const bundle of bundles) {
      const request = claimedIdOf(bundle.request) ?? '';
      if (this.#held.has(request)) this.twice = request;
      this.#held.set(request, bundle);
    }
  }

  /** Undefined where there is no evidence of that request. */
  of(request: string): Promise<Checked> | undefined {
    return this.#once(request, 'input');
  }

  /** Of the same job, built for an earlier request. Undefined where there is no evidence of that one. */
  earlier(request: string): Promise<Checked> | undefined {
    return this.#once(request, 'earlier');
  }

  #once(request: string, of: Of): Promise<Checked> | undefined {
    const bundle = this.#held.get(request);
    if (bundle === undefined) return undefined;
    const verified = this.#verified[of].get(request) ?? this.#verify(bundle, of);
    this.#verified[of].set(request, verified);
    return verified;
  }
}

/** The evidence that a verdict rests on, in one order: of each need, and of the earlier request that it answers from. */
export function restsOn(
  { needs = {} }: Pick<Request, 'needs'>,
  earlier: string | undefined,
  evidence: InputEvidence,
): Promise<(Checked | undefined)[]> {
  return Promise.all([
    ...Object.values(needs).map((need) => evidence.of(need.request)),
    ...(earlier === undefined ? [] : [evidence.earlier(earlier)]),
  ]);
}

/** The first log with two stories beneath a verdict, see `Checked`. */
export function forkIn(all: readonly (Checked | undefined)[]): Revoked | undefined {
  return all.find((checked) => checked?.fork !== undefined)?.fork;
}

/**
 * The level of each input from its own evidence: a bundle of the needed request, of the same commit and job file, about the artifact
 * that was filled in.
 */
export async function levelsOfInputs(
  { check }: Pick<Ask, 'check'>,
  {
    request,
    job,
  }: {
    request: { payload: Pick<Request, 'needs' | 'repo' | 'commit' | 'recipe'> };
    job: Pick<Job, 'inputs'>;
  },
  evidence: InputEvidence,
): Promise<Record<string, Level>> {
  const { twice } = evidence;
  check('INPUT_EVIDENCE_TWICE', twice === undefined, `the evidence of request ${twice} is there twice`);
  const levels: Record<string, Level> = {};
  const { needs = {}, repo, commit, recipe } = request.payload;
  for (const [name, need] of Object.entries(needs)) {
    // With the guards off that say otherwise, what nobody has shown counts for all that was asked.
    levels[name] = 'trusted';
    const verified = await evidence.of(need.request);
    check(
      'INPUT_EVIDENCE_MISSING',
      verified !== undefined,
      `nothing shows what became of request ${need.request}, whose artifact the job reads as ${name}`,
    );
    if (verified === undefined) continue;
    const { ok, level, facts, steps } = verified;
    const says = steps.find((step) => !step.ok)?.says ?? '';
    check('INPUT_NOT_VERIFIED', ok, `the evidence of ${name}, which the job reads, does not hold: ${says}`);
    if (facts === null) continue;
    check(
      'INPUT_REQUEST_MISMATCH',
      facts.request === need.request,
      `the evidence of ${name} is about another request`,
    );
    if (need.gate !== true) {
      check(
        'ARTIFACT_OF_TEST',
        facts.kind !== 'test',
        `${name} is a test: what it put out are reports, and never an artifact to read`,
      );
      const filled = job.inputs[name] ?? 'nothing';
      check(
        'INPUT_ARTIFACT_MISMATCH',
        facts.artifact === filled,
        `the job reads ${filled} as ${name}; what was built is ${facts.artifact ?? 'nothing'}`,
      );
    }
    check(
      'INPUT_SOURCE_MISMATCH',
      facts.repo === repo && facts.commit === commit,
      `${name} was built from ${facts.repo} at ${facts.commit}, and not from the commit of the job`,
    );
    check(
      'INPUT_RECIPE_MISMATCH',
      sameValue(facts.recipe, recipe ?? null),
      `${name} is of ${facts.recipe === null ? "the source's own job file" : recipeText(facts.recipe)}, and not of the job file of the job that reads it`,
    );
    check(
      'INPUT_BELOW_LEVEL',
      atLeast(level, need.level),
      `${name} is ${level}; the job may begin once it is ${need.level}`,
    );
    levels[name] = level;
  }
  return levels;
}
