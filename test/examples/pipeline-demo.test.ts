import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { demo } from './demo.ts';

const root = join(import.meta.dirname, '..', '..');

it('the demo of a pipeline ends as it claims', async () => {
  const { code, out, err } = await demo('pipeline');
  expect(code, err).toBe(0);
  const said = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '');
  expect(said).toMatchObject({ level: 'trusted', promoted: 3, revoked: 3, rebuilt: 3 });
  expect(said.savedMs).toBeGreaterThan(0);
  expect(said.artifact).not.toBe(said.tampered);
});

it('interrupted while jobs are built, it ends all that it started', async () => {
  let started: number[] = [];
  const { code, err } = await demo('pipeline', (said, child) => {
    if (started.length > 0 || !said.includes('begins, on build')) return;
    started = descendants(child.pid ?? 0);
    process.kill(-(child.pid ?? 0), 'SIGINT');
  });
  expect(code, err).toBe(130);
  expect(started.length).toBeGreaterThan(6);
  const marks = started.filter((pid) => programOf(pid).includes(join(root, '.demo')));
  expect(marks).toEqual([]);
});

const programOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
};

const parentOf = (pid: number): number => {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
};

function descendants(of: number): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .map(Number)
      .filter(Boolean)
      .map((pid) => [pid, parentOf(pid)]),
  );
  const below = (pid: number): number[] =>
    [...parents].filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)]);
  return below(of);
}
