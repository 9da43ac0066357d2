import { expect, it, vi } from 'vitest';
import { keptRuns } from '../../../src/client/commands/kept-runs.ts';
import type { ToldRun } from '../../../src/client/commands/run-evidence.ts';
import { parseJobFile } from '../../../src/jobfile/index.ts';
import { jobDocument } from '../../../src/member/job-document.ts';
import { jobOf } from '../../../src/member/job-in-tree.ts';
import { encodeJob } from '../../../src/protocol/documents/index.ts';
import { toldPolicy } from '../../../src/protocol/wire/told-policy.ts';

const file = parseJobFile(
  `
jobs:
  check: {kind: test, run: [x]}
  quiet: {kind: test, run: [x]}
  reports: {kind: test, run: [x]}
  signed: {kind: test, run: [x], trust: {cosign: required}}
  build: {run: [x], needs: {check: agreed}}
`,
  'quorate.yaml',
);
const url = 'git://127.0.0.1/x';
const at = { ref: 'refs/heads/main', commit: 'c'.repeat(40) };
/** The empty folder. */
const tree = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';
const other = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';

it('a run that is agreed is not published again where no more can come of it', async () => {
  const jobs = file.instances.map((instance) => ({ instance, job: jobOf(file, instance) }));
  const proven = vi.fn(async (_told: ToldRun, _name: string) => true);
  const kept = async (level: string, more = {}, gate: { gate?: true } = { gate: true }) => {
    const runs = jobs.map(({ instance: { name }, job }) => {
      const id = encodeJob(jobDocument({ repo: { url }, ...at, tree, job })).id;
      const made = { check: { reports: tree }, reports: { reports: other }, build: { artifact: other } }[
        name
      ];
      const told = { run: `run of ${name}`, name, policy: toldPolicy(job.trust), repo: url, ...at, level };
      return { ...told, id, artifact: null, ...made, ...more };
    });
    const client = {
      jobs: async () => ({ jobs: runs.map((run) => ({ state: 'done', ...run })) }),
      show: async (which: string) => ({
        history: [
          { progress: { kind: 'accepted', job: runs.find(({ run }) => run === which)?.id } },
          ...(which === 'run of build'
            ? [
                {
                  progress: {
                    kind: 'waiting',
                    needs: { check: { request: 'run of check', level: 'agreed', ...gate } },
                  },
                },
              ]
            : []),
        ],
      }),
    };
    return [...(await keptRuns(client as never, { ...at, tree, jobs } as never, url, proven)).keys()];
  };
  expect(await kept('trusted')).toEqual(['check', 'quiet', 'reports', 'signed', 'build']);
  // The build rests on the test.
  expect(await kept('agreed')).toEqual(['check', 'quiet', 'build']);
  expect(await kept('agreed', { revoked: {} })).toEqual([]);
  expect(await kept('failed')).toEqual([]);
  // As a client of before asked for it, which read the reports of the test.
  expect(await kept('trusted', {}, {})).toEqual(['check', 'quiet', 'reports', 'signed']);
  // Evidence decides, of one that has ended, and of those that rest on it.
  proven.mockImplementation(async (_told, name) => name !== 'check');
  proven.mockClear();
  expect(await kept('trusted')).toEqual(['quiet', 'reports', 'signed']);
  const { trust: policy } = jobOf(file, file.instances[0] as never);
  expect(proven.mock.calls[0]).toEqual([
    {
      job: {
        run: 'run of check',
        asked: expect.objectContaining({ repo: url, ...at, policy, needs: undefined }),
      },
      verdict: { level: 'trusted', artifact: null, reports: tree },
    },
    'check',
  ]);
  proven.mockClear();
  expect(await kept('trusted', { state: 'building' })).toEqual([
    'check',
    'quiet',
    'reports',
    'signed',
    'build',
  ]);
  expect(proven).not.toHaveBeenCalled();
});
