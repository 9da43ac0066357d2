import { availableParallelism } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../bad-input/support/person.ts';
import { arrive, attempt, event, lines, repository } from './trying.ts';

beforeAll(arrive);

describe('quorate try --vary', () => {
  /** Which files each condition changes, of all conditions that were tried. */
  const variedBy = (answer: Answer): Record<string, unknown> =>
    Object.fromEntries(
      lines(answer)
        .filter((line) => line.event === 'varied')
        .map(({ condition, files }) => [condition, (files as { path: string }[]).map(({ path }) => path)]),
    );
  const many = availableParallelism() > 1;
  const unchanged = {
    again: [],
    ...(many && { processors: [] }),
    'file-order': [],
    path: [],
    'host-name': [],
    user: [],
    umask: [],
    'time-zone': [],
    language: [],
  };

  it('finds nothing where nothing changes the outputs', async () => {
    const run = ['find . -type f | sort > "$OUT/list"; echo 1 > "$OUT/one"; chmod 755 "$OUT/one"'];
    const dir = await repository({ run }, { a: '', b: '', 'c/d': '' });
    const { code, out, report } = await attempt(dir, '--vary');
    expect(code, report).toBe(0);
    expect(out.match(/^same /gm)).toHaveLength(Object.keys(unchanged).length);
    expect(out).toMatch(/\nNothing of this changes the outputs\.\n$/);
  });

  it('says of a build that writes down the host name just that, and that workers can agree', async () => {
    const { code, out, report } = await attempt(
      await repository({ run: ['hostname > "$OUT/name"; echo 1 > "$OUT/one"'] }),
      '--vary',
    );
    expect(code, report).toBe(1);
    expect(out.match(/^differs .*$/gm)).toEqual([
      'differs host-name  host name "elsewhere", not "quorate": name',
    ]);
    expect(out).toMatch(
      /\nThe same on every worker, not elsewhere: host-name\. They can agree all the same\.\n$/,
    );
  });

  it('tells the conditions apart', async () => {
    const run = [
      'date +%s.%N > "$OUT/time"; nproc > "$OUT/processors"; find . -type f > "$OUT/order"',
      'pwd > "$OUT/path"; hostname > "$OUT/host"; getent hosts "$(hostname)" >> "$OUT/host"',
      'id > "$OUT/id"; echo "$USER $HOME" > "$OUT/user"; touch "$HOME/x"; umask > "$OUT/umask"',
      'date -d @0 +%H > "$OUT/zone"; printf é | wc -m > "$OUT/language"; echo 1 > "$OUT/one"',
    ];
    const answer = await attempt(await repository({ run }, { a: '', b: '' }), '--vary', '--json');
    expect(answer.code, answer.report).toBe(1);
    expect(variedBy(answer)).toEqual({
      again: ['time'],
      ...(many && { processors: ['processors'] }),
      'file-order': ['order'],
      path: ['path'],
      'host-name': ['host'],
      user: ['id', 'user'],
      umask: ['umask'],
      'time-zone': ['zone'],
      language: ['language'],
    });
  });

  it('blames no condition for what differs on its own, however seldom', async () => {
    const run = ['sleep 0.2; echo $(($(date +%s) / 2)) > "$OUT/time"'];
    const answer = await attempt(await repository({ run }), '--vary', '--json');
    expect(answer.code, answer.report).toBe(1);
    expect(event(answer, 'vary')).toEqual({ event: 'vary', differs: ['again'] });
  });

  it('says when the build fails under a condition, and tries none of a build that fails', async () => {
    const needs = await attempt(
      await repository({ run: ['test "$(id -un)" = build; echo 1 > "$OUT/one"'] }),
      '--vary',
      '--json',
    );
    expect(needs.code, needs.report).toBe(1);
    expect(variedBy(needs)).toEqual(unchanged);
    expect(event(needs, 'vary')).toEqual({ event: 'vary', differs: ['user'] });
    const fails = await attempt(await repository({ run: ['false'] }), '--vary', '--json');
    expect({ code: fails.code, last: lines(fails).at(-1)?.event }).toEqual({ code: 1, last: 'built' });
  });
});
