import type { Policy } from '../src/protocol/documents/index.ts';
import type { KeyChange } from './paperwork.ts';
import type { Random } from './random.ts';

/** In some seeds some operators allow the host of the sources late: their workers pass on jobs until then. */
function withHosts<T extends object>(
  random: Random,
  operators: readonly T[],
): (T & { allowsAfterMs?: number })[] {
  const draw = random.fork('hosts');
  if (!draw.chance(0.2)) return [...operators];
  return operators.map((operator) =>
    draw.chance(0.5) ? { ...operator, allowsAfterMs: draw.int(10_000, 400_000) } : operator,
  );
}

/** Behaviour of an operator's workers. All but `honest` and `slow` are attacks or failures. */
export type Behaviour =
  | 'honest'
  | 'slow'
  /** Puts something into the artifact: all of these the same, or each another thing. */
  | 'tampers-alike'
  | 'tampers-alone'
  /** The right artifact with wrong hashes of its files. */
  | 'lies-about-files'
  /** Claims a result and never serves a byte of it. */
  | 'serves-nothing'
  | 'vanishes'
  /** Builds for longer than any lease lasts. */
  | 'endless'
  /** Aborts each build, by its own will or, as it says, at a limit of the job. */
  | 'aborts'
  | 'fails'
  /** Sends its receipt several times and then another one. */
  | 'repeats'
  /** Comes with receipts for leases it has lost. */
  | 'stale'
  /** Receipts for other slots and fences, claims with the grants of others. */
  | 'forges';

const attacks: Behaviour[] = [
  'tampers-alike',
  'tampers-alone',
  'lies-about-files',
  'serves-nothing',
  'vanishes',
  'aborts',
  'fails',
  'repeats',
  'stale',
  'forges',
];

export type TrustedWorker =
  | 'there'
  | 'late'
  | 'slow'
  | 'flaky'
  | 'absent'
  /** Delivers its own build and is never seen again. */
  | 'vanishes'
  /** Cannot write what it read of the log, so it can sign nothing. */
  | 'full-disk';

export interface Operator {
  name: string;
  hosts: string[];
  behaviour: Behaviour;
  /** Joins only when the faults have begun. */
  joinsLate: boolean;
  /** Something about its hosts makes receipts that cannot be signed. */
  unsigned?: true;
  /** Only this long after a worker of it has joined it allows the host of the sources; absent: it allows any host. */
  allowsAfterMs?: number;
}

/** The result of a job's source with an honest worker. */
export type Nature = 'reproducible' | 'fails' | 'makes nothing' | 'varies' | OverLimit | TestNature;

/** Each build is aborted at a limit of the job; of memory on some machines only. */
export type OverLimit = 'too many files' | 'too much memory here and there';

/** A test that passes on some machines and fails on others, each time alike on one machine. */
type TestNature = 'passes here and there';

/** The owner revokes an operator in the middle. */
export interface Expulsion {
  operator: string;
  afterMs: number;
  /** True: all receipts of the operator are void; false: those from now on. */
  ever: boolean;
}

/** Somebody gets the identity provider's key, joins and revokes with it, until the owner ends it. */
export interface Theft {
  afterMs: number;
  /** After the theft. */
  endsAfterMs: number;
  /** The thief revokes this operator, and joins under the name of the other one. */
  revokes: string;
  poses: string;
}

export interface Work {
  name: string;
  test?: boolean;
  nature: Nature;
  policy: Policy;
  /** The earlier job that it is over again, in a request of its own. */
  repeats?: string;
  /** It asks for that job to be built again. */
  rebuild?: boolean;
  /** It is built in an image that is the same everywhere, and not in that of the host. */
  portable?: boolean;
  /** Names of earlier jobs whose artifacts it reads, and the level they need. */
  needs?: Record<string, 'agreed' | 'trusted'>;
  submitAfterMs: number;
  /** Its publisher cancels it this long after. */
  cancelAfterMs: number | undefined;
  expiresSeconds: number;
}

/** Behaviour of an artifact store. All but `keeps` and `late` are faults, and `lies` an attack. */
export type StoreBehaviour =
  | 'keeps'
  | 'late'
  /** Its disk is empty after each crash. */
  | 'forgets'
  /** Says that it keeps what it does not have. */
  | 'lies';

export interface Scenario {
  /** Where the controller keeps no bytes: the stores that do, and how many of them have to keep what is published. */
  stores: { behaviours: StoreBehaviour[]; copies: number } | undefined;
  attackerShare: 'nobody' | 'a few' | 'many';
  operators: Operator[];
  trusted: TrustedWorker;
  /** A second trusted worker is there all the time. */
  second: boolean;
  works: Work[];
  revokes: Expulsion | undefined;
  theft: Theft | undefined;
  faultsMs: number;
  /** Whether the identity provider's key is in the controller's process, or in one of its own. */
  idp: 'inside' | 'apart';
  grantSeconds: number;
  /** When the owner signs the next charter, and which key it replaces. */
  charters: { afterMs: number; replaces: KeyChange }[];
}

const policies: Omit<Policy, 'rounds'>[] = [
  { agree: 2, of: 3, cosign: 'required' },
  { agree: 2, of: 3, cosign: 'required' },
  { agree: 2, of: 3, cosign: 'none' },
  { agree: 2, of: 2, cosign: 'none' },
  { agree: 3, of: 5, cosign: 'required' },
  { agree: 1, of: 1, cosign: 'required' },
];

/** In some seeds some of the jobs exceed a limit of their own. */
function withLimits(random: Random, works: readonly Work[]): Work[] {
  if (!random.chance(0.2)) return [...works];
  return works.map((work) => {
    const nature = random.pick<OverLimit>(['too many files', 'too much memory here and there']);
    return random.chance(0.6) ? { ...work, nature } : work;
  });
}

/** In some seeds some of the jobs are tests, most of which need no co-signature. Others wait for such a job, and read nothing of it. */
function withTests(random: Random, works: readonly Work[]): Work[] {
  if (!random.chance(0.3)) return [...works];
  return works.map((work) => {
    if (!random.chance(0.7)) return work;
    const isNeeded = works.some(({ needs }) => needs?.[work.name] !== undefined);
    // A generator of its own: which jobs others need does not move the other draws.
    const draw = isNeeded ? random.fork(`gate ${work.name}`) : random;
    if (isNeeded && !draw.chance(0.4)) return work;
    const failing = draw.chance(isNeeded ? 0.2 : 0.4);
    const nature = failing ? draw.pick(['passes here and there', 'fails'] as const) : work.nature;
    const cosign = draw.chance(0.8) ? 'none' : work.policy.cosign;
    return { ...work, test: true, nature, policy: { ...work.policy, cosign } };
  });
}

/** In some seeds some of the jobs are asked for again, mostly under the same policy and mostly after they came to a verdict. */
function withRepeats(random: Random, works: readonly Work[]): Work[] {
  if (!random.chance(0.35)) return [...works];
  const repeats: Work[] = [];
  for (const work of works) {
    if (!random.chance(0.7)) continue;
    for (let n = 0; n < random.int(1, 2); n++) {
      const policy = random.chance(0.6)
        ? work.policy
        : { ...random.pick(policies), rounds: random.int(1, 3) };
      repeats.push({
        ...work,
        name: `${work.name}-${n}`,
        repeats: work.name,
        policy,
        rebuild: random.chance(0.2),
        expiresSeconds: 2 * 3600,
        cancelAfterMs: undefined,
        submitAfterMs: work.submitAfterMs + random.int(60_000, 900_000),
      });
    }
  }
  return [...works, ...repeats].map((work) => ({ ...work, portable: true }));
}

export function scenarioOf(random: Random): Scenario {
  const charters = random.fork('charters');
  const keys = random.fork('other keys');
  const replaces = keys.chance(0.3);
  const attackerShare = random.pick(['nobody', 'a few', 'many'] as const);
  const count = random.int(3, 8);
  const attackers =
    attackerShare === 'nobody'
      ? 0
      : attackerShare === 'a few'
        ? random.int(1, 2)
        : random.int(Math.ceil(count / 2), count);
  // A conspiracy: all attackers behave alike.
  const trick = random.chance(0.3) ? 'tampers-alike' : random.pick(attacks);
  const together = random.chance(0.5);
  const operators = Array.from({ length: count }, (_, n): Operator => {
    const name = `op${n}`;
    const hosts = random.chance(0.3) ? random.int(2, 3) : 1;
    return {
      name,
      hosts: Array.from({ length: hosts }, (_, m) => (hosts === 1 ? name : `${name}.${m}`)),
      behaviour:
        n < attackers ? (together ? trick : random.pick(attacks)) : random.chance(0.15) ? 'slow' : 'honest',
      joinsLate: random.chance(0.1),
    };
  });
  const works = Array.from(
    { length: random.int(1, 3) },
    (_, n): Work => ({
      name: `job${n}`,
      nature: random.pick([
        'reproducible',
        'reproducible',
        'reproducible',
        'fails',
        'makes nothing',
        'varies',
      ]),
      policy: { ...random.pick(policies), rounds: random.int(1, 3) },
      submitAfterMs: random.int(0, 120_000),
      cancelAfterMs: random.chance(0.1) ? random.int(1_000, 200_000) : undefined,
      expiresSeconds: random.chance(0.25) ? random.int(120, 600) : 2 * 3600,
    }),
  );
  drawPipeline(random.fork('pipeline'), works);
  const pipeline = works.some(({ needs }) => Object.keys(needs ?? {}).length > 0);
  const wronged = pipeline && random.fork('wronged').chance(0.4);
  if (wronged) conspire(random.fork('conspiracy'), operators, works);
  const revokes = expulsionOf(random.fork('revokes'), operators, { chance: pipeline ? 0.6 : 0.3, wronged });
  const limited = withLimits(random.fork('limits'), works);
  const trusted = random.fork('vanishes').chance(0.1) ? 'vanishes' : undefined;
  const full = random.fork('full-disk').chance(0.1) ? 'full-disk' : undefined;
  const theft = theftOf(random.fork('theft'), operators);
  if (theft !== undefined) for (const operator of operators) operator.joinsLate = false;
  return {
    theft,
    stores: storesOf(random.fork('stores')),
    attackerShare,
    operators: withHosts(random, withUnsigned(random.fork('unsigned'), random.shuffle(operators))),
    trusted: trusted ?? full ?? drawTrusted(random, { wronged, onTime: theft !== undefined }),
    second: random.fork('second').chance(0.3),
    works: withRepeats(random.fork('the same again'), withTests(random.fork('kind: test'), limited)),
    revokes,
    faultsMs: random.int(2, 8) * 60_000,
    idp: theft === undefined && random.fork('identity provider').chance(0.3) ? 'apart' : 'inside',
    grantSeconds: random.pick([90, 24 * 3600]),
    charters: Array.from({ length: charters.int(0, 2) }, () => ({
      afterMs: charters.int(0, 180_000),
      replaces: replaces ? keys.pick(['controller', 'controller', 'idp', 'idp at once'] as const) : 'nothing',
    })),
  };
}

/** In some seeds an honest operator cannot sign what it built. */
function withUnsigned(random: Random, operators: readonly Operator[]): Operator[] {
  if (!random.chance(0.15)) return [...operators];
  const honest = operators.filter(({ behaviour }) => !isAttack(behaviour));
  const [one] = honest.length > 0 ? [random.pick(honest)] : [];
  return operators.map((operator) => (operator === one ? { ...operator, unsigned: true } : operator));
}

/** Some of the jobs read what others make; then there are up to four. */
function drawPipeline(random: Random, works: Work[]): void {
  if (!random.chance(0.4)) return;
  const [first] = works;
  if (first === undefined) return;
  while (works.length < random.int(2, 4)) works.push({ ...first, name: `job${works.length}` });
  for (const [n, work] of works.entries()) {
    // Without an artifact that others read, a pipeline is not exercised.
    if (random.chance(0.8)) {
      work.nature = 'reproducible';
      work.cancelAfterMs = undefined;
      work.expiresSeconds = 2 * 3600;
    }
    work.needs = Object.fromEntries(
      works
        .slice(0, n)
        .filter(() => random.chance(0.6))
        .map(({ name }) => [name, random.pick(['agreed', 'agreed', 'trusted'] as const)]),
    );
  }
}

/** The trusted worker that a majority of tampering operators is ahead of, or any. */
function drawTrusted(
  random: Random,
  { wronged, onTime }: { wronged: boolean; onTime: boolean },
): TrustedWorker {
  const drawn = random.pick(['there', 'there', 'late', 'slow', 'flaky', 'absent'] as const);
  const found =
    wronged && drawn !== 'absent' ? random.fork('late or slow').pick(['late', 'slow'] as const) : drawn;
  return onTime && found === 'late' ? 'slow' : found;
}

/** Most operators tamper alike with what others build on, and there are rounds enough for those that do not. */
function conspire(random: Random, operators: Operator[], works: Work[]): void {
  const honest = random.int(2, 3);
  addHonest(operators, 8);
  for (const [n, operator] of operators.entries())
    operator.behaviour = n < operators.length - honest ? 'tampers-alike' : 'honest';
  for (const work of works) {
    work.policy = { ...work.policy, rounds: 4 };
    work.expiresSeconds = 2 * 3600;
  }
}

/** Stores of which at least `copies` keep what they say they keep. */
function storesOf(random: Random): Scenario['stores'] {
  if (!random.chance(0.25)) return undefined;
  const behaviours = Array.from({ length: random.int(1, 3) }, () =>
    random.pick<StoreBehaviour>(['keeps', 'keeps', 'late', 'forgets', 'lies']),
  );
  if (!behaviours.some((behaviour) => behaviour !== 'lies')) behaviours[0] = 'keeps';
  const honest = behaviours.filter((behaviour) => behaviour !== 'lies').length;
  return { behaviours, copies: random.int(1, honest) };
}

/** Everybody has joined by then: who joins after a theft is not told from the thief. */
function theftOf(random: Random, operators: readonly Operator[]): Theft | undefined {
  if (!random.chance(0.15)) return undefined;
  const [revokes, poses] = random.shuffle(operators.map(({ name }) => name));
  if (revokes === undefined || poses === undefined) return undefined;
  return { afterMs: random.int(10_000, 120_000), endsAfterMs: random.int(5_000, 150_000), revokes, poses };
}

/** Where jobs are `wronged`, half of the times one of whom they were built again by, afterwards; then there are others who build them once more. */
function expulsionOf(
  random: Random,
  operators: Operator[],
  { chance, wronged }: { chance: number; wronged: boolean },
): Expulsion | undefined {
  if (!random.chance(chance)) return undefined;
  const { name: operator } = random.pick(operators);
  const drawn = { operator, afterMs: random.int(1_000, 300_000), ever: random.chance(0.5) };
  const later = random.fork('afterwards');
  if (!wronged || !later.chance(0.5)) return drawn;
  const honest = operators.filter(({ behaviour }) => behaviour === 'honest');
  addHonest(operators, operators.length + 4);
  return { operator: later.pick(honest).name, afterMs: later.int(300_000, 1_500_000), ever: true };
}

function addHonest(operators: Operator[], upTo: number): void {
  while (operators.length < upTo)
    operators.push({
      name: `op${operators.length}`,
      hosts: [`op${operators.length}`],
      behaviour: 'honest',
      joinsLate: false,
    });
}

export const isAttack = (behaviour: Behaviour) => behaviour !== 'honest' && behaviour !== 'slow';
