import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { counted } from '../base/quantity.ts';
import { secondsOfIso } from '../base/time.ts';
import type { StepName, Verification, VerifiedFacts } from './verification.ts';

/** Recomputed identity of local bytes: the CID of a tree, or the sha256 of a file in hexadecimal. */
export type Content =
  | { kind: 'tree'; cid: string }
  /** `path`: where in the artifact it must stand; anywhere unless given. */
  | { kind: 'file'; sha256: string; path?: string };

export function pathsOf({ files }: VerifiedFacts, sha256: string): string[] {
  return files.filter((file) => file.sha256 === sha256).map(({ path }) => path);
}

/** Adds a step to a verification that held: whether these bytes are the artifact, or a file of it. Those of a test are none. */
export function checkContent(before: Verification, content: Content): Verification {
  return goOn(before, 'files', (facts) => {
    const { artifact, files, kind, name } = facts;
    if (kind === 'test')
      throw new QuorateError(
        'ARTIFACT_OF_TEST',
        `the evidence is about the test "${name}": what it put out are reports, and never an artifact`,
      );
    if (content.kind === 'tree') {
      if (content.cid === artifact) return `Recomputed from the files: they are ${content.cid}, all of it.`;
      const about = artifact ?? 'no artifact';
      throw new QuorateError(
        'FILES_TREE_MISMATCH',
        `the files are ${content.cid}; the evidence is about ${about}`,
      );
    }
    const { sha256, path } = content;
    const paths = pathsOf(facts, sha256);
    if (paths.length === 0)
      throw new QuorateError(
        'FILES_HASH_MISMATCH',
        `the file's sha256 is ${sha256}; none of the artifact's ${counted(files.length, 'file')} has it`,
      );
    const names = paths.slice(0, 3).join(', ');
    if (path === undefined || paths.includes(path))
      return `Recomputed from the file: its sha256 is that of ${path ?? names} in the artifact.`;
    throw new QuorateError('FILES_PATH_MISMATCH', `the file is ${names} in the artifact, and not ${path}`);
  });
}

/**
 * Adds a step: whether the evidence is recent by the caller's clock, `now` in ms. Its age counts from the verdict or the first signature
 * of a trusted worker or witness, whichever is older. A time in the future would never grow old, so it is refused.
 */
export function checkAge(
  before: Verification,
  { now, maxAgeSeconds }: { now: number; maxAgeSeconds: number },
): Verification {
  return goOn(before, 'age', ({ time, witnessed }) => {
    const times = [time, ...(witnessed === null ? [] : [witnessed])];
    for (const one of times) {
      if (secondsOfIso(one) > now / 1000 + limits.clockSkewSeconds)
        throw new QuorateError(
          'VERDICT_FROM_FUTURE',
          `the verdict is of ${one}, later than now on this clock`,
        );
    }
    const [oldest = time] = times.toSorted((a, b) => secondsOfIso(a) - secondsOfIso(b));
    const ageSeconds = now / 1000 - secondsOfIso(oldest);
    const old = `${age(ageSeconds)} old (of ${oldest})`;
    if (ageSeconds <= maxAgeSeconds)
      return `The verdict is ${old}; up to ${age(maxAgeSeconds)} was asked for.`;
    throw new QuorateError(
      'VERDICT_TOO_OLD',
      `the verdict is ${old}; at most ${age(maxAgeSeconds)} was asked for`,
    );
  });
}

function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return counted(whole, 'second');
  if (whole < 7200) return counted(Math.floor(whole / 60), 'minute');
  return whole < 172_800
    ? counted(Math.floor(whole / 3600), 'hour')
    : counted(Math.floor(whole / 86_400), 'day');
}

/** Adds a step to a verification that held: with the sentence that `check` returns, or refused with the error that it throws. */
export function goOn(
  before: Verification,
  step: StepName,
  check: (facts: VerifiedFacts) => string,
): Verification {
  if (before.facts === null) return before;
  try {
    const says = check(before.facts);
    return { ...before, steps: [...before.steps, { step, ok: true, code: null, says }] };
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return refuse(before, step, error);
  }
}

export function refuse(before: Verification, step: StepName, { code, message }: QuorateError): Verification {
  const steps = [...before.steps, { step, ok: false, code, says: `${message}.` }];
  return { ok: false, level: 'none', steps, code, facts: null };
}
