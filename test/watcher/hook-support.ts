import type { VerifiedFacts } from '../../src/protocol/trust/index.ts';
import type { ListedRun } from '../../src/watcher/machine/alarms.ts';

export const repo = 'https://git.example.org/tool.git';
export const id = (n: number) => n.toString(16).padStart(64, '0');

/** A run as a controller lists it. */
export function listed(n: number, more: Partial<ListedRun> = {}): ListedRun {
  return {
    run: id(n),
    job: 'bafyjob',
    name: 'build',
    repo,
    ref: 'refs/heads/main',
    commit: id(n).slice(24),
    state: 'done',
    level: 'trusted',
    artifact: `bafy${n}`,
    submittedAt: n,
    round: 1,
    policy: { agree: 2, of: 3, cosign: true },
    ...more,
  };
}

/** Facts from the evidence of a run when the controller told the truth; opened at `n` of the log. */
export function facts(n: number, more: Partial<VerifiedFacts> = {}): VerifiedFacts {
  return {
    name: 'build',
    job: 'bafyjob',
    kind: 'build',
    request: id(n),
    index: n,
    repo,
    ref: 'refs/heads/main',
    commit: id(n).slice(24),
    recipe: null,
    artifact: `bafy${n}`,
    files: [],
    operators: ['ada', 'ben'],
    policy: { agree: 2, of: 3, cosign: 'required', rounds: 2 },
    dissent: [],
    cosigners: ['12D3KooWtower'],
    inputs: {},
    earlier: null,
    time: '2026-01-01T00:00:00Z',
    witnesses: { operators: [], named: [] },
    witnessed: null,
    place: 'cosigned',
    publisher: 'ada',
    requested: new Date(n * 1000).toISOString(),
    ...more,
  };
}
