/** How a run stands, as far as statuses say. */
export interface RunStand {
  run: string;
  state: string;
  level: 'agreed' | 'trusted' | 'failed' | 'disputed' | null;
  /** Trusted without a co-signature, by its policy. */
  cosigned?: false | undefined;
  /** Its verdict does not stand any more. */
  revoked?: true | undefined;
}

/** What a forge shows beside a commit. Only `success` is green. */
export interface Status {
  state: 'pending' | 'success' | 'failure' | 'error';
  /** One line, at most `statusCharsMax`. */
  says: string;
  /** Absolute URL. */
  link?: string | undefined;
}

/** What the strictest of the forges takes (GitHub), in characters. */
export const statusCharsMax = 140;

export const isSame = (a: Status, b: Status | undefined): boolean =>
  b !== undefined && a.state === b.state && a.says === b.says && a.link === b.link;

/** By the state of a run without a verdict. */
const inWords: Readonly<Record<string, string>> = {
  waiting: 'waits for the jobs that it needs',
  answering: 'was built before; looking for what was built',
  building: 'building',
  pinning: 'operators agree; keeping what they built',
  'awaiting-trusted': 'failed at operators, waiting for the trusted worker',
  held: 'waits until its inputs are trusted',
  cosigning: 'waiting for the co-signature',
  witnessing: 'waiting for witnesses of the log',
};

/** A job's status. It never says more than the level. */
export function statusOfRun(stand: Omit<RunStand, 'run'> | undefined): Status {
  if (stand === undefined) return { state: 'pending', says: 'published' };
  const { state, level, revoked, cosigned } = stand;
  if (revoked === true) return { state: 'failure', says: 'revoked: the verdict does not stand any more' };
  if (state === 'cancelled') return { state: 'error', says: 'cancelled' };
  switch (level) {
    case 'trusted':
      return {
        state: 'success',
        says:
          cosigned === false
            ? 'trusted: operators agree and witnesses signed the log'
            : 'trusted: operators agree and the trusted worker co-signed',
      };
    case 'agreed':
      return {
        state: 'pending',
        says:
          state === 'witnessing'
            ? 'agreed, waiting for witnesses of the log'
            : 'agreed, waiting for the trusted worker',
      };
    case 'failed':
      return { state: 'failure', says: 'failed' };
    case 'disputed':
      return { state: 'failure', says: 'disputed: the builds do not agree' };
    case null:
      return { state: 'pending', says: inWords[state] ?? 'published' };
  }
}

/** Of all jobs together: green when each is trusted. */
export function statusOfAll(stands: readonly (Omit<RunStand, 'run'> | undefined)[]): Status {
  const each = stands.map(statusOfRun);
  const count = (state: Status['state']) => each.filter((one) => one.state === state).length;
  const of = `of ${stands.length}`;
  if (count('failure') > 0) return { state: 'failure', says: `${count('failure')} ${of} failed` };
  if (count('error') > 0) return { state: 'error', says: `${count('error')} ${of} cancelled` };
  const trusted = count('success');
  if (trusted === stands.length) return { state: 'success', says: 'trusted' };
  const agreed = stands.filter((stand) => stand?.level === 'agreed').length;
  if (trusted + agreed === stands.length)
    return { state: 'pending', says: 'agreed, waiting for the trusted worker' };
  return { state: 'pending', says: `${trusted} ${of} trusted, ${agreed} agreed` };
}

/** One word for several jobs. */
export type WholeLevel =
  | 'trusted'
  | 'agreed'
  | 'failed'
  | 'disputed'
  | 'revoked'
  | 'cancelled'
  | 'pending'
  | 'none';

/** The lowest of some runs; undefined stands for one of which nothing is known yet. */
export function levelOfAll(
  runs: readonly ({ level: RunStand['level']; state: string; revoked?: unknown } | undefined)[],
): WholeLevel {
  if (runs.some((run) => run?.revoked !== undefined)) return 'revoked';
  for (const level of ['disputed', 'failed'] as const)
    if (runs.some((run) => run?.level === level)) return level;
  if (runs.some((run) => run?.state === 'cancelled')) return 'cancelled';
  if (runs.length === 0 || runs.some((run) => run === undefined || run.level === null)) return 'pending';
  return runs.every((run) => run?.level === 'trusted') ? 'trusted' : 'agreed';
}
