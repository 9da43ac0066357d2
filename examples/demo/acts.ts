import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { openBundles } from '../../src/node/artifacts/bundles.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { decodeBundle, openStatement } from '../../src/protocol/documents/index.ts';
import type { Progress } from '../../src/protocol/wire/progress.ts';
import type { Line } from './processes.ts';
import { root, type Scene } from './scene.ts';

type Revealed = Extract<Progress, { kind: 'revealed' }>['results'][number];

export interface Verdict {
  run: string;
  job: string;
  artifact: string;
  level: string;
  agreed: Revealed[];
  dissent: Revealed[];
  cosigned: boolean;
  of: number;
  /** Milliseconds, by the controller's clock. */
  dispatch: number;
  build: number;
  toTrusted: number;
}

/** Time in which nothing may happen, of an idle machine. */
const runSeconds = 120;
const spreadSeconds = 30;
const pollMs = 100;

/** Publishes the job of the commit and follows it to its verdict. */
export async function publish(
  scene: Scene,
  repo: string,
  url: string,
  show: (at: number, progress: Progress, isVerified: boolean) => void,
): Promise<Verdict> {
  const args = ['run', url, '--ref', 'main', '--job', 'build', '--home', scene.folder('home-publisher')];
  const run = scene.start('quorate run', args, repo);
  const seen: { at: number; progress: Progress }[] = [];
  let accepted: Line = {};
  run.onLine((line) => {
    if (line.event === 'submitted') accepted = line;
    if (typeof line.at !== 'number' || typeof line.kind !== 'string' || isToldAgain(line)) return;
    const { at, event: _, verified, ...progress } = line;
    seen.push({ at, progress: progress as unknown as Progress });
    show(at, progress as unknown as Progress, verified === true);
  });
  const isLast = (line: Line) => line.kind === 'verdict' && line.level !== 'agreed' && !isToldAgain(line);
  await run.line(isLast, 'a verdict', runSeconds);
  await run.stop();
  return verdictFrom(accepted, seen);
}

/** Once its evidence was verified. */
const isToldAgain = ({ kind, level, verified }: Line): boolean =>
  kind === 'verdict' && level === 'trusted' && verified !== true;

function verdictFrom(accepted: Line, seen: { at: number; progress: Progress }[]): Verdict {
  const find = <K extends Progress['kind']>(kind: K) =>
    seen.flatMap(({ at, progress }) =>
      progress.kind === kind ? [{ at, ...(progress as Extract<Progress, { kind: K }>) }] : [],
    );
  const [start] = find('accepted');
  const [firstLease] = find('leased');
  const round = find('round').at(-1);
  const agreed = find('agreed').at(-1);
  // The result of the trusted worker is told later, by itself.
  const revealed = find('revealed').find(({ round }) => agreed === undefined || round === agreed.round);
  const verdict = find('verdict').at(-1);
  if (!start || !firstLease || !round || !revealed || !verdict) {
    throw new QuorateError('DEMO_STORY_INCOMPLETE', 'the controller did not tell the whole story of the run');
  }
  const same = (result: Revealed) =>
    result.result === agreed?.artifact && agreed.by.includes(result.operator);
  return {
    run: String(accepted.run),
    job: String(accepted.job),
    artifact: verdict.artifact ?? '',
    level: verdict.level,
    agreed: revealed.results.filter(same),
    dissent: revealed.results.filter((result) => !same(result)),
    cosigned: verdict.level === 'trusted' && round.cosign,
    of: round.of,
    dispatch: firstLease.at - start.at,
    build: revealed.at - firstLease.at,
    toTrusted: verdict.at - start.at,
  };
}

/**
 * Waits until one of these volunteers holds the evidence that the artifact is trusted, and so can serve both without the
 * controller: two of those who built it ask for it when they hear of the verdict.
 */
export async function evidenceSpread(
  scene: Scene,
  operators: readonly string[],
  artifact: string,
): Promise<void> {
  const stores = operators.map((operator) => openBundles(join(scene.folder(`home-${operator}`), 'bundles')));
  const check = scene.processes.patience.wait(
    spreadSeconds,
    `one of ${operators.join(', ')} to learn of the verdict`,
  );
  for (;;) {
    const held = await Promise.all(stores.map(async (bundles) => isTrusted(await bundles.get(artifact))));
    if (held.includes(true)) return;
    check();
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function isTrusted(bundle: string | undefined): Promise<boolean> {
  if (bundle === undefined) return false;
  const { payload } = await openStatement('verdict', decodeBundle(bundle).verdict, joseVerifier);
  return payload.predicate.quorate_verdict.level === 'trusted';
}

/** Which files of a dissenting receipt differ: every receipt names each file of its tree with its sha256. */
export async function differences(bundleFile: string, worker: string): Promise<string[]> {
  const { receipts, verdict } = decodeBundle(await readFile(bundleFile, 'utf8'));
  const opened = await Promise.all(
    receipts.map(({ envelope }) => openStatement('receipt', envelope, joseVerifier)),
  );
  const dissenting = opened.find(({ signer }) => signer === worker);
  const agreed = await openStatement('verdict', verdict, joseVerifier);
  if (dissenting === undefined) return [];
  const before = filesOf(agreed.payload.subject);
  const after = filesOf(dissenting.payload.subject);
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) return [];
    return [`${path} ${was === undefined ? 'added' : is === undefined ? 'removed' : 'changed'}`];
  });
}

/** The first subject is the tree itself. */
function filesOf(subject: readonly { name: string; digest: { sha256: string } }[]): Map<string, string> {
  return new Map(subject.slice(1).map(({ name, digest }) => [name, digest.sha256]));
}

export interface Fetched {
  folder: string;
  bundle: string;
  bytes: number;
  providers: string[];
  steps: number;
  ms: number;
}

/** From a process that knows the root key and the bootstrap node, and nothing else. */
export async function fetchFresh(
  scene: Scene,
  wanted: { artifact: string; project: string; bootstrap: string; bundle: string },
): Promise<Fetched> {
  const folder = join(scene.dir, 'artifact');
  const began = performance.now();
  const line = await scene.quorate(
    [
      'fetch',
      wanted.artifact,
      '-o',
      folder,
      ...['--project', wanted.project, '--bootstrap', wanted.bootstrap],
      ...['--bundle-out', wanted.bundle, '--home', scene.folder('home-consumer')],
    ],
    { seconds: 120 },
  );
  const { bytes, providers, controllerUsed, verification } = line as unknown as {
    bytes: number;
    providers: string[];
    controllerUsed: boolean;
    verification: { steps: unknown[] };
  };
  if (controllerUsed)
    throw new QuorateError('DEMO_STORY_INCOMPLETE', 'the controller was stopped and yet it served');
  const ms = Math.round(performance.now() - began);
  return { folder, bundle: wanted.bundle, bytes, providers, steps: verification.steps.length, ms };
}

/** The artifact is this program: its version, said by what the volunteers built. */
export async function runArtifact(scene: Scene, folder: string): Promise<string> {
  const program = join(folder, 'bin', 'quorate.js');
  const { text } = await scene.processes.run('the artifact', process.execPath, [program, '--version'], {
    cwd: root,
    seconds: 30,
    json: false,
  });
  return text.trim();
}
