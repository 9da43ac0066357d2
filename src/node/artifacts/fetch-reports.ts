import { setTimeout as sleep } from 'node:timers/promises';
import type { Mesh } from '../../mesh/index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Verification, VerifiedFacts } from '../../protocol/trust/index.ts';
import type { Store } from '../../store/index.ts';
import { connectReachable, type FindOptions, NotTrusted, sizeOfFiles, withEvidence } from './fetch.ts';
import { artifactLimits } from './limits.ts';
import { pullArtifact } from './transfer.ts';

interface FetchReportsOptions extends FindOptions {
  /** Id of the test's run or job, or the CID of what it put out. */
  which: string;
  dest: string;
}

interface FetchedReports {
  /** CID of the tree. */
  reports: string;
  verification: Verification;
  facts: VerifiedFacts;
  bundleText: string;
  bytes: number;
  /** Of the files that were written. */
  written: number;
}

/**
 * Fetches what a test put out, of the result that N operators came to: it may have passed or failed. `dest` is written only when evidence
 * and bytes are verified. @throws REPORTS_OF_BUILD, REPORTS_NOT_FOUND, NOT_TRUSTED (a `NotTrusted`), ARTIFACT_NOT_FOUND, TRANSFER_…,
 * STORE_…
 */
export function fetchReports(options: FetchReportsOptions): Promise<FetchedReports> {
  const { which, dest, signal, onProgress } = options;
  return withEvidence(which, undefined, options, async ({ verification, text, peers }, mesh, store) => {
    const { ok, facts, level } = verification;
    if (!ok || facts === null) throw new NotTrusted(which, verification);
    if (![facts.request, facts.job, facts.artifact].includes(which))
      throw new QuorateError('REPORTS_NOT_FOUND', `the peers that were asked have no evidence of ${which}`, {
        hint: 'Give the whole id of the run: quorate jobs --json',
      });
    if (facts.kind !== 'test')
      throw new QuorateError('REPORTS_OF_BUILD', `"${facts.name}" is no test: it makes an artifact`, {
        hint: 'Fetch its artifact without --reports.',
      });
    if (level !== 'trusted' && level !== 'agreed' && level !== 'failed')
      throw new QuorateError('REPORTS_NOT_FOUND', `operators did not agree on what "${facts.name}" put out`, {
        hint: `quorate diff ${facts.request.slice(0, 10)} shows in what they differ.`,
      });
    const { artifact: reports } = facts;
    if (reports === null)
      throw new QuorateError('REPORTS_NOT_FOUND', `the test "${facts.name}" left no files in $OUT`, {
        hint: `Its log: quorate logs ${facts.request.slice(0, 10)}`,
      });
    options.accept?.(verification);
    const says = 'fetching the reports';
    onProgress({ phase: 'fetching', says });
    const from = await connectReachable(mesh, peers);
    const bytes = await pulled({ mesh, store }, reports, from, options, (done, total) =>
      onProgress({ phase: 'fetching', says, bytes: done, ...(total !== undefined && { total }) }),
    );
    onProgress({ phase: 'writing', says: `writing to ${dest}` });
    await store.exportDirectory(reports, dest, { signal });
    const written = await sizeOfFiles(store, reports, signal);
    return { reports, verification, facts, bundleText: text, bytes, written };
  });
}

async function pulled(
  ends: { mesh: Mesh; store: Store },
  reports: string,
  from: string[],
  { signal }: FindOptions,
  onProgress: (bytes: number, total: number | undefined) => void,
): Promise<number> {
  for (let tried = 1; ; tried++) {
    try {
      return (await pullArtifact(ends, reports, { from, signal, onProgress })).bytes;
    } catch (error) {
      signal.throwIfAborted();
      if (tried >= artifactLimits.reportTriesMax) throw error;
      await sleep(artifactLimits.reportRetryMs, undefined, { signal });
    }
  }
}
