import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ControllerControl } from '../../../src/controller/node/control.ts';
import { fewerIsFine } from '../../../src/owner/commands/revoke.ts';
import type { Output } from '../../../src/terminal/output.ts';
import { projectOf } from '../../controller/machine/bench.ts';

/** Output and question before `operator` of four is revoked, where a round asks for so many. */
async function revoking(
  operator: string,
  of: number,
  { interactive = true, yes = false, answer = false } = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-control-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const bench = await projectOf('ada', 'bob', 'cy', 'dan');
  await bench.submit({ policy: { agree: Math.ceil((of + 1) / 2), of } });
  await bench.revoke({ kind: 'operator', id: 'dan' });
  const { state } = bench.controller;
  const control = new ControllerControl({
    dir,
    project: 'a project',
    state,
    dispatch: async () => {},
    tell: () => {},
    stop: () => {},
  });
  await control.open();
  onTestFinished(() => control.close());
  const said: string[] = [];
  const asked: string[] = [];
  const context = {
    out: { note: (text: string) => said.push(text) } as unknown as Output,
    interactive,
    signal: new AbortController().signal,
  };
  const goesOn = await fewerIsFine(
    context,
    { dir },
    {
      operator,
      yes,
      ask: async (_, question) => {
        asked.push(question);
        return answer;
      },
    },
  );
  return { goesOn, said, asked };
}

describe('an operator that is revoked', () => {
  it('leaves fewer than a round asks for: that is said, and asked at a terminal', async () => {
    const no = await revoking('ada', 3);
    expect(no).toMatchObject({ goesOn: false, asked: ['Revoke ada?'] });
    expect(no.said).toEqual([
      expect.stringMatching(
        /^Without ada the project has 2 operators, and a round asks for 3.* quorate invite <name>$/,
      ),
    ]);
    expect((await revoking('ada', 3, { answer: true })).goesOn).toBe(true);
  });

  it.each([{ yes: true }, { interactive: false }])('is said and not asked with %j', async (how) => {
    const { goesOn, said, asked } = await revoking('ada', 3, how);
    expect([goesOn, said.length, asked.length]).toEqual([true, 1, 0]);
  });

  it('leaves enough, or is none of those who build: nothing is said', async () => {
    const quiet = { goesOn: true, said: [], asked: [] };
    expect(await revoking('dan', 3)).toEqual(quiet);
    expect(await revoking('adda', 3)).toEqual(quiet);
    expect(await revoking('adda', 5)).toEqual(quiet);
  });

  it('where no controller runs here nothing is known', async () => {
    const context = { out: {} as Output, interactive: true, signal: new AbortController().signal };
    const dir = join(tmpdir(), 'quorate-no-such-folder');
    expect(await fewerIsFine(context, { dir }, { operator: 'ada', yes: false })).toBe(true);
  });
});
