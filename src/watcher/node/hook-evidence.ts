import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { joseVerifier } from '../../identity/verifier.ts';
import { fetchArtifact, NotTrusted } from '../../node/artifacts/fetch.ts';
import { askForRevocations } from '../../node/artifacts/revocations.ts';
import type { Home } from '../../node/membership/home.ts';
import { openRevocationBook } from '../../node/membership/revocation-file.ts';
import { joseDocuments } from '../../node/ports.ts';
import { codeOf, messageOf, QuorateError, reportedError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { NamedRecipe } from '../../protocol/base/recipe-name.ts';
import type { Bundle } from '../../protocol/documents/index.ts';
import { type Check, enforce } from '../../protocol/judge/index.ts';
import { LogCopy } from '../../protocol/sessions/log-copy.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import { type RunSource, RunVerifier } from '../../protocol/sessions/run-verifier.ts';
import { type VerifiedFacts, verifyBundle } from '../../protocol/trust/index.ts';
import type { ListedRun } from '../machine/alarms.ts';
import type { HookTold } from '../machine/hook-ledger.ts';
import { hookLimits } from '../machine/hook-limits.ts';
import type { Taken } from '../sessions/hook.ts';
import { makeReadOnly } from './hook-folder.ts';

/** Asks members now and then for proofs that the log tells two stories, which its controller would not show. Proofs are kept in the home. */
export function provenByMembers(options: {
  home: Home;
  project: string;
  signal: AbortSignal;
  tell(told: HookTold): void;
}): () => Promise<string[]> {
  const { home, project, signal, tell } = options;
  let due = 0;
  let isTold = false;
  return async () => {
    const book = await openRevocationBook(home.dir, project);
    const proven = () => book.equivocations.map(({ proves }) => proves.says);
    const now = performance.now();
    if (now < due) return proven();
    due = now + hookLimits.askMembersMs;
    try {
      const { bootstrap, controllers } = await home.membership(project);
      await askForRevocations({ project, artifact: null, bootstrap, controllers, book, signal });
      isTold = false;
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(error);
      if (code === 'INTERNAL' || /^HOME_/.test(code)) throw error;
      const message = escapeLine(messageOf(error), hookLimits.textCharsMax);
      if (!isTold) tell({ event: 'waiting', code, message });
      isTold = true;
    }
    return proven();
  };
}

/** The log of a project as its controller shows it, and its leaves that were read. */
interface AskedLog {
  source: Omit<RunSource, 'bundle'>;
  copy: LogCopy;
}

export interface TakeOptions {
  home: Home;
  /** PeerId of the root key. */
  project: string;
  run: Pick<ListedRun, 'run' | 'ref'> & { artifact: string };
  source?: string | undefined;
  recipe?: NamedRecipe | undefined;
  /** An empty folder. */
  dir: string;
  /** Throws where the facts are not wanted: no file is fetched then. */
  accept(facts: VerifiedFacts): void;
  /** Where the log and what it revokes is asked for. */
  log: AskedLog;
  signal: AbortSignal;
}

/** Learns revocations up to a checkpoint that others than the controller signed. `check`: some guards are off in tests. */
export function learnFromLog(
  { source, copy }: AskedLog,
  { project, bundle, book }: { project: string; bundle: Bundle; book: RevocationBook },
  { now = () => Date.now(), check = enforce }: { now?: () => number; check?: Check } = {},
): Promise<void> {
  const verifier = new RunVerifier({
    project,
    documents: joseDocuments,
    log: copy,
    book: async () => book,
    now,
    check,
    ageSecondsMax: hookLimits.checkpointAgeSeconds,
  });
  return verifier.learn(source, bundle);
}

/** Leaves that are read again by the next process. */
export const logInMemory = (): LogCopy => new LogCopy({ load: async () => [], append: async () => {} });

/**
 * Gets the files of an artifact and the bundle of its run, learns the revocations that members of the project tell and those in its log,
 * and then verifies the bundle in this process, from the root key alone. @throws the code of the step that failed (`KEY_REVOKED`, `REF_MISMATCH`), `NOT_TRUSTED` for a lower level,
 * `ARTIFACT_…`, `REVOCATION_…`, `CHECKPOINT_…`, `LOG_…`, `HOME_…`, `MESH_…`, `STORE_…`, and what `accept` throws.
 */
export async function takeTrusted(options: TakeOptions): Promise<Taken> {
  try {
    return await take(options);
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError')
      throw new QuorateError('HOOK_TAKE_TIMEOUT', `${options.run.run} could not be had in time`, {
        hint: 'It is tried again, a few times.',
        cause: error,
      });
    if (!(error instanceof NotTrusted)) throw error;
    const { code, message, hint, verification } = error;
    throw reportedError(verification.code ?? code, message, { hint, cause: error });
  }
}

async function take(options: TakeOptions): Promise<Taken> {
  const { home, project, run, source, recipe, dir, accept } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(hookLimits.takeMsMax)]);
  // Read each time: a key of the controller may have been replaced.
  const { bootstrap, controllers } = await home.membership(project);
  const book = await openRevocationBook(home.dir, project);
  const expected = {
    project,
    ref: run.ref,
    artifact: run.artifact,
    ...(source !== undefined && { source }),
    ...(recipe !== undefined && { recipe }),
  };
  const artifact = join(dir, 'artifact');
  const { bundle, bundleText } = await fetchArtifact({
    ...expected,
    run: run.run,
    bootstrap,
    controllers,
    revocations: book,
    dest: artifact,
    signal,
    accept: ({ facts }) => facts !== null && accept(facts),
    onProgress: () => {},
  });
  // After the files, which may have taken long.
  await askForRevocations({ project, artifact: run.artifact, bootstrap, controllers, book, signal });
  await learnFromLog(options.log, { project, bundle, book });
  const verification = await verifyBundle(bundle, { ...expected, revocations: book.revoked }, joseVerifier);
  const { ok, facts, level } = verification;
  if (!ok || facts === null || level !== 'trusted') throw new NotTrusted(run.artifact, verification);
  const file = join(dir, 'bundle.json');
  await writeFile(file, bundleText, { mode: 0o400 });
  await makeReadOnly(artifact);
  return { facts, artifact, bundle: file };
}
