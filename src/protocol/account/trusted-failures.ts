import { limits } from '../base/limits.ts';
import type { Progress } from '../wire/progress.ts';
import type { TrustedFailure } from './index.ts';

const saysCharsMax = 300;

/** Trusted workers that failed at a run, after one more event of it: one entry for each, the newest last. */
export function afterFailure(failures: TrustedFailure[], progress: Progress): TrustedFailure[] {
  if (progress.kind === 'cosign-refused') {
    const { worker, code, message } = progress;
    return withFailure(failures, { worker, says: `${code}: ${message}`, refused: true });
  }
  if (progress.kind === 'cosign-delayed') {
    const { worker, code, message } = progress;
    return withFailure(failures, { worker, says: `${code}: ${message}`, delayed: true });
  }
  // It has signed.
  if (progress.kind === 'verdict' && progress.level !== 'agreed' && progress.reason === undefined)
    return failures.filter(({ delayed }) => delayed !== true);
  // Compared here: `isTrustedSlot` would load the schemas of all documents into `quorate --help`.
  if ((progress.kind !== 'lost' && progress.kind !== 'delivered') || progress.slot !== 'trusted')
    return failures;
  const { worker } = progress;
  // It is handed over after it has refused.
  if (failures.some((one) => one.worker === worker && one.refused === true)) return failures;
  if (progress.kind === 'lost') return withFailure(failures, { worker, says: progress.reason });
  return failures.filter((one) => one.worker !== worker);
}

function withFailure(failures: readonly TrustedFailure[], failure: TrustedFailure): TrustedFailure[] {
  const others = failures.filter(({ worker }) => worker !== failure.worker);
  const says = failure.says.slice(0, saysCharsMax);
  return [...others, { ...failure, says }].slice(-limits.slotLeasesMax);
}
