import { QuorateError } from '../base/errors.ts';
import { refsNamed } from '../base/git-ref.ts';
import { counted } from '../base/quantity.ts';
import { isRecipe, recipeText } from '../base/recipe-name.ts';
import { isoTime } from '../base/time.ts';
import {
  artifactOf,
  type Bundle,
  filesOf,
  type OwnBundle,
  type Receipt,
  resultOf,
  type Verdict,
  type Verifier,
} from '../documents/index.ts';
import { checker, enforce } from '../judge/index.ts';
import { decideBy } from './decide.ts';
import type { Level } from './evidence.ts';
import type { LogView } from './log-view.ts';
import { countsUncosigned } from './not-cosigned.ts';
import { codeOfRevoked, revokedUnder, sayRevoked } from './revocations.ts';
import { rules } from './rules.ts';
import type { Ask, Expected, Logged, Opened } from './steps/context.ts';
import { checkCosignature, type Decided, decideAgain, witnessTimes } from './steps/decision.ts';
import {
  factsOf,
  openCharter,
  openJob,
  openOffers,
  openReceipts,
  openRequest,
  openVerdict,
} from './steps/documents.ts';
import { checkEarlierCosignature, checkRounds, decideOnEarlier, openEarlier } from './steps/earlier.ts';
import {
  type Checked,
  forkIn,
  type InputBundles,
  InputEvidence,
  levelsOfInputs,
  type Of,
  type Proven,
  restsOn,
} from './steps/inputs.ts';
import { openLog } from './steps/log.ts';
import { placeOf, type VerdictPlace } from './steps/place.ts';
import { checkInputOnce } from './steps/remembered.ts';
import { checkBeneath, checkRevocations } from './steps/revocations.ts';
import {
  sayCosigners,
  sayDecision,
  sayEarlier,
  sayExpected,
  sayInputs,
  sayPlace,
  sayReceipts,
  sayRequest,
  sayRevocations,
  sayRounds,
  sayWitnessed,
} from './steps/sentences.ts';
import { checkTimes } from './steps/times.ts';
import { checkWitnesses, ownWitnesses } from './steps/witnesses.ts';
import type { StepName, Verification, VerificationStep, VerifiedFacts } from './verification.ts';
import type { Witnessed } from './witnesses.ts';

export type { Expected } from './steps/context.ts';
export type * from './verification.ts';

/**
 * Verifies a bundle offline, given the project's root key: named steps, up to the first that fails; no bundle makes it throw. Without
 * `now` times are compared with each other only, so the result does not change with time.
 */
export function verifyBundle(bundle: Bundle, expected: Expected, verifier: Verifier): Promise<Verification> {
  return verifyBy(new Set(), 'whole', bundle, expected, verifier);
}

/** The same for a draft, which the trusted worker signs where this holds. `level`: once it is co-signed. */
export function checkEvidence(draft: Bundle, expected: Expected, verifier: Verifier): Promise<Verification> {
  return verifyBy(new Set(), 'draft', draft, expected, verifier);
}

/** Verifies what a job reads before it is built. The request itself is verified by its offer. */
export async function verifyInputs(
  bundles: InputBundles,
  order: Parameters<typeof levelsOfInputs>[1],
  expected: Pick<Expected, 'project' | 'revocations'>,
  verifier: Verifier,
): Promise<Record<string, Level>> {
  const evidence = inputEvidence(new Set(), bundles.all, expected, verifier);
  const levels = await levelsOfInputs({ check: enforce }, order, evidence);
  const fork = forkIn(await restsOn(order.request.payload, undefined, evidence));
  if (fork !== undefined) enforce(codeOfRevoked(fork), false, sayRevoked(fork));
  return levels;
}

/** With the guards of these codes off, and the guards and rules of the decision that are named, for tests that show what each one prevents. */
export async function verifyBy(
  off: ReadonlySet<string>,
  what: 'whole' | 'draft',
  bundle: Bundle,
  expected: Expected,
  verifier: Verifier,
): Promise<Verification> {
  const { project, revocations } = expected;
  const known = { project, ...(revocations !== undefined && { revocations }) };
  const { log } = expected;
  const inputs = inputEvidence(off, bundle.inputs ?? [], known, verifier, log);
  const {
    proven: _,
    fork: __,
    ...said
  } = await verifyOne(off, what, bundle, expected, verifier, inputs, log);
  return said;
}

function inputEvidence(
  off: ReadonlySet<string>,
  bundles: readonly OwnBundle[],
  expected: Pick<Expected, 'project' | 'revocations'>,
  verifier: Verifier,
  log?: LogView,
): InputEvidence {
  const evidence: InputEvidence = new InputEvidence(bundles, (bundle, of) => {
    const verify = () => verifyOne(off, of, bundle, expected, verifier, evidence, log);
    // With a guard off it says nothing of what holds.
    return off.size > 0
      ? verify()
      : checkInputOnce({ bundle, of, expected, verifier, evidence, log }, verify);
  });
  return evidence;
}

async function verifyOne(
  off: ReadonlySet<string>,
  what: 'whole' | 'draft' | Of,
  bundle: Bundle,
  expected: Expected,
  verifier: Verifier,
  evidence: InputEvidence,
  log?: LogView,
): Promise<Checked> {
  const revocations = off.has('key-revoked') ? [] : (expected.revocations ?? []);
  const guards = { using: rules.filter(({ reason }) => !off.has(reason)), off };
  let ask: Ask = {
    bundle,
    expected,
    verifier,
    check: checker(off),
    ...(log !== undefined && { log }),
    revoked: [],
    decide: (...given) => decideBy(guards, ...given),
    resultOf: off.has('VERDICT_SUBJECTS_MISMATCH') ? resultWithoutFiles : resultOf,
  };
  const steps: VerificationStep[] = [];
  let step: StepName = 'charter';
  const passed = (says: string) => steps.push({ step, ok: true, code: null, says });
  try {
    const charter = await openCharter(ask);
    ask = { ...ask, revoked: revokedUnder(revocations, charter.payload, !off.has('key-ended')) };
    passed(`The root key says who runs the project "${charter.payload.name}".`);

    step = 'request';
    const { request, publisher } = await openRequest(ask, charter.payload);
    const { policy } = request.payload;
    passed(sayRequest(request.payload));

    step = 'job';
    const authority = { charter, request, publisher, ...openJob(ask, request.payload, charter.payload) };
    passed(`It asked for the job "${authority.job.name}" as it stands here.`);

    let inputs: Opened['inputs'] = {};
    // The needs of an earlier request of the job say nothing of this one's.
    if (request.payload.needs !== undefined && what !== 'earlier') {
      step = 'inputs';
      inputs = await levelsOfInputs(ask, authority, evidence);
      passed(sayInputs(inputs));
    }

    step = 'offers';
    const offers = await openOffers(ask, authority);
    passed(sayRounds(offers.length, policy));

    step = 'receipts';
    const receipts = await openReceipts(ask, authority, offers);
    passed(sayReceipts(receipts.length));

    step = 'verdict';
    const verdict = await openVerdict(ask, authority);
    const opened: Opened = { ...authority, inputs, offers, receipts, verdict };
    checkTimes(ask, opened);
    checkRounds(ask, opened);
    passed(`The controller's verdict is "${factsOf(verdict).level}".`);

    step = 'log';
    const logged = await openLog(ask, opened);
    passed(`All of that is in the project's log (${counted(logged.checkpoint.size, 'leaf', 'leaves')}).`);

    let earlier: Proven | undefined;
    if (factsOf(verdict).earlier !== undefined) {
      step = 'earlier';
      ask.check('EARLIER_WITHOUT_RECEIPTS', what !== 'earlier', 'the earlier request was not built either');
      if (what !== 'earlier') earlier = await openEarlier(ask, opened, logged, evidence);
      if (earlier !== undefined) passed(sayEarlier(earlier));
    }

    step = 'revocations';
    const beneath = forkIn(
      await restsOn(what === 'earlier' ? {} : request.payload, factsOf(verdict).earlier?.request, evidence),
    );
    const isBeneath = what === 'input' || what === 'earlier';
    const ownFork = checkRevocations(ask, opened, logged, isBeneath);
    if (!isBeneath) checkBeneath(ask, opened, logged, beneath);
    passed(sayRevocations(revocations.length));

    step = 'decision';
    const decided =
      earlier === undefined
        ? decideAgain(ask, opened, logged, what === 'draft')
        : decideOnEarlier(ask, opened, logged, earlier);
    passed(sayDecision(decided, policy));

    step = 'co-signature';
    let witnessed: Witnessed | null = null;
    // A draft lacks the co-signature that is asked for; an answer rests on an earlier one that is there.
    if (earlier !== undefined) checkEarlierCosignature(ask, opened, decided.cosigners);
    else if (what !== 'draft') checkCosignature(ask, opened, logged, decided.cosigners);
    const own = earlier === undefined ? null : await ownWitnesses(ask, opened, logged);
    if (what !== 'draft') {
      const rests = earlier !== undefined && decided.cosigners.length > 0;
      witnessed =
        own ?? (rests ? null : await checkWitnesses(ask, opened, earlier ?? { ...ask, opened, logged }));
      const uncosigned = countsUncosigned(policy, factsOf(verdict).level);
      const signed =
        witnessed === null ? sayCosigners(decided.cosigners, uncosigned) : sayWitnessed(witnessed);
      passed(earlier === undefined ? signed : `${signed} ${sayPlace(placeOf(ask, opened, logged, own))}`);
    }
    const place = placeOf(ask, opened, logged, earlier === undefined ? witnessed : own);

    step = 'expected';
    const index = Math.min(logged.verdictIndex, ...offers.map(({ payload }) => payload.index));
    const built = earlier ?? { opened, logged };
    const facts = collectFacts(ask, opened, built, { ...decided, witnessed, index, place });
    checkExpected(ask, facts);
    passed(sayExpected(expected));
    const { cosigners } = decided;
    const proven = { bundle, opened, logged, cosigners, revoked: ask.revoked };
    const fork = ownFork ?? (place === 'cosigned' ? undefined : beneath);
    return { ok: true, level: decided.level, steps, code: null, facts, proven, fork };
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    steps.push({ step, ok: false, code: error.code, says: `${error.message}.` });
    return {
      ok: false,
      level: 'none',
      steps,
      code: error.code,
      facts: null,
      proven: undefined,
      fork: undefined,
    };
  }
}

/** With that guard off, files and their hashes are no part of a vote. */
function resultWithoutFiles(statement: Receipt | Verdict): string | null {
  return resultOf({ ...statement, subject: statement.subject.slice(0, 1) });
}

/** `built`: where the receipts are. */
function collectFacts(
  ask: Ask,
  { request, publisher, job, jobId, inputs, verdict: decided }: Opened,
  { opened: { verdict }, logged }: { opened: Opened; logged: Logged },
  {
    operators,
    cosigners,
    witnessed,
    index,
    place,
  }: Decided & { witnessed: Witnessed | null; index: number; place: VerdictPlace },
): VerifiedFacts {
  const { repo, ref, commit, recipe = null, policy } = request.payload;
  const { outcome, receipts } = factsOf(verdict);
  const artifact = artifactOf(outcome);
  const { predicate } = verdict.payload;
  const times = [...witnessTimes(logged, cosigners), ...(witnessed?.times ?? [])];
  const about = ask.resultOf(verdict.payload);
  const alike = new Set(logged.votes.flatMap(({ receipt, result }) => (result === about ? [receipt] : [])));
  return {
    name: job.name,
    job: jobId,
    kind: job.kind ?? 'build',
    request: request.id,
    index,
    place,
    publisher: publisher.payload.operator,
    requested: isoTime(request.payload.iat * 1000),
    repo,
    ref,
    commit,
    recipe,
    policy,
    artifact,
    files: filesOf(verdict.payload),
    operators,
    dissent: receipts.filter(({ receipt }) => about === null || !alike.has(receipt)),
    cosigners,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([of, level]) => {
        // A test that is only waited for has none, also where it is named like a method of Object.
        const artifact = Object.hasOwn(job.inputs, of) ? (job.inputs[of] ?? null) : null;
        return [of, { artifact, level }];
      }),
    ),
    earlier: factsOf(decided).earlier?.request ?? null,
    time: predicate.timeVerified,
    witnesses: { operators: witnessed?.operators ?? [], named: witnessed?.named ?? [] },
    witnessed: times.length === 0 ? null : isoTime(Math.min(...times) * 1000),
  };
}

function checkExpected({ check, expected }: Ask, facts: VerifiedFacts): void {
  const { artifact, repo, ref } = facts;
  check(
    'ARTIFACT_OF_TEST',
    expected.artifact === undefined || facts.kind !== 'test',
    `${expected.artifact} is what the test "${facts.name}" put out: reports, and never an artifact`,
    'Take the artifact of a job that builds it: quorate jobs lists them.',
  );
  const wanted = expected.artifact ?? artifact;
  check(
    'ARTIFACT_MISMATCH',
    artifact === wanted,
    `the bundle is about ${artifact ?? 'no artifact'}, not ${wanted}`,
  );
  const source = expected.source ?? repo;
  check('SOURCE_MISMATCH', repo === source, `the artifact was built from ${repo}, not from ${source}`);
  const at = expected.ref ?? ref;
  const same = refsNamed(at).includes(ref);
  check('REF_MISMATCH', same, `the artifact was built at ${ref}, not at ${at}`);
  checkRecipe({ check, expected }, facts);
}

/** A caller that holds to a repository or a ref takes its own job file, or the one that is named. */
function checkRecipe({ check, expected }: Pick<Ask, 'check' | 'expected'>, { recipe }: VerifiedFacts): void {
  const { source, ref, recipe: wanted } = expected;
  const held = source !== undefined || ref !== undefined || wanted !== undefined;
  const accepted =
    recipe === null ? wanted === undefined : !held || (wanted !== undefined && isRecipe(recipe, wanted));
  const own = "the repository's own quorate.yaml";
  check(
    'RECIPE_MISMATCH',
    accepted,
    `the job file is ${recipe === null ? own : recipeText(recipe)}, not ${wanted === undefined ? own : recipeText(wanted)}`,
  );
}
