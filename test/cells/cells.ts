/** Processors that guests are emulated for, as Debian calls them. */
export type Arch = 'amd64' | 'arm64';

/** A group of tests that runs in a guest, and a row of the table. */
export interface Cell {
  readonly name: string;
  readonly arch: Arch;
  /** The account of the tests. `user` has control groups of its own, as systemd delegates them to a user's manager. */
  readonly account: 'root' | 'user';
  readonly files: readonly string[];
  /** Of these files, the tests whose full name matches. Default: those that no other cell of the same files takes. */
  readonly only?: RegExp;
}

const namespace = 'test/sandbox/namespace/namespace.test.ts';
const steering = 'test/sandbox/namespace/steering.test.ts';
const limits = / limits /;

export const cells: readonly Cell[] = [
  { name: 'cgroup v2', arch: 'amd64', account: 'root', files: ['test/cells/inside/unified.cell.ts'] },
  {
    name: 'contract',
    arch: 'amd64',
    account: 'root',
    files: [namespace, 'test/sandbox/namespace/inside.test.ts'],
  },
  {
    name: 'limits',
    arch: 'amd64',
    account: 'root',
    files: [namespace, 'test/sandbox/namespace/beyond-memory.test.ts'],
    only: / limits |1 GB of node_modules/,
  },
  {
    name: 'steering',
    arch: 'amd64',
    account: 'root',
    files: [steering, 'test/sandbox/run/steered-at-start.test.ts', 'test/sandbox/run/ahead.test.ts'],
  },
  {
    name: 'attacks',
    arch: 'amd64',
    account: 'root',
    files: [
      ...['host', 'outputs', 'resources'].map((part) => `test/attacks/sandbox/namespace.${part}.test.ts`),
      'test/attacks/sandbox/network.test.ts',
      // kill -9 of a worker.
      'test/sandbox/namespace/leftovers.test.ts',
    ],
  },
  { name: 'contract as a user', arch: 'amd64', account: 'user', files: [namespace] },
  { name: 'limits as a user', arch: 'amd64', account: 'user', files: [namespace], only: limits },
  { name: 'steering as a user', arch: 'amd64', account: 'user', files: [steering] },
  {
    name: 'native program on aarch64',
    arch: 'arm64',
    account: 'root',
    files: ['archives', 'spawner'].map((name) => `test/sandbox/native/${name}.test.ts`),
  },
  { name: 'contract on aarch64', arch: 'arm64', account: 'root', files: [namespace] },
  { name: 'one job on aarch64', arch: 'arm64', account: 'root', files: ['test/cells/inside/job.cell.ts'] },
];

/** In place of a test's name: a file that could not be loaded, or failed outside of its tests. */
export const wholeFile = 'the file itself';

/** Output of a guest: a line of JSON for each test, and one when all tests of an account have ended. */
export type Said =
  | {
      readonly account: string;
      readonly file: string;
      readonly test: string;
      readonly state: string;
      readonly seconds: number;
      readonly message?: string;
    }
  | { readonly account: string; readonly ended: number };

export interface Row {
  readonly cell: Cell;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
  /** The tests of its account came to their end. */
  whole: boolean;
}

export const isGood = ({ passed, failed, whole }: Row): boolean => whole && passed > 0 && failed === 0;

/** The cell that a test of a guest belongs to. A file that could not be loaded belongs to the first with that file. */
function rowOf(rows: readonly Row[], account: string, file: string, test: string): Row | undefined {
  const having = rows.filter(({ cell }) => cell.account === account && cell.files.includes(file));
  return (
    having.find(({ cell }) => cell.only?.test(test)) ??
    having.find(({ cell }) => cell.only === undefined) ??
    (test === wholeFile ? having[0] : undefined)
  );
}

/** Counts what the guest of one processor has said. */
export function count(chosen: readonly Cell[], said: readonly Said[]): Row[] {
  const rows = chosen.map(
    (cell): Row => ({ cell, passed: 0, failed: 0, skipped: 0, seconds: 0, whole: false }),
  );
  for (const one of said) {
    if ('ended' in one) {
      for (const row of rows) if (row.cell.account === one.account) row.whole = true;
      continue;
    }
    const row = rowOf(rows, one.account, one.file, one.test);
    if (row === undefined) continue;
    row.seconds += one.seconds;
    if (one.state === 'passed') row.passed++;
    else if (one.state === 'failed') row.failed++;
    else row.skipped++;
  }
  return rows;
}

export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.cell.name,
    ...[row.passed, row.failed, row.skipped, Math.round(row.seconds)].map(String),
    isGood(row) ? 'pass' : row.whole ? 'fail' : 'not finished',
  ]);
  const head = ['cell', 'passed', 'failed', 'skipped', 'seconds', ''];
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |\n`).join('');
}
