import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { endings } from '../../../src/protocol/account/endings.ts';
import { accountLine, accountOf, runStates } from '../../../src/protocol/account/index.ts';
import { openSite, openStage, type Stage, scenes } from './scenes/site.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

describe('the scenes of the pages', () => {
  it('have every state, every ending and each a name of its own', () => {
    const states = new Set(scenes.map(({ state }) => state));
    expect(runStates.filter((state) => !states.has(state))).toEqual([]);
    const ended = new Set<string | undefined>(scenes.map(({ ending }) => ending));
    expect(Object.keys(endings).filter((ending) => !ended.has(ending))).toEqual([]);
    expect(new Set(scenes.map(({ name }) => name)).size).toBe(scenes.length);
  });

  it('are what the machine says they are, each for another reason', async () => {
    const lines = new Map<string, string>();
    for (const { name, state, ending, play } of scenes) {
      const { story, run = '' } = await play(stage.store);
      if (state === undefined) continue;
      const summary = summaryOf(story.bench.controller.state, story.bench.facts(run));
      const account = accountOf(summary);
      expect([name, account.state, summary.reason]).toEqual([name, state, ending]);
      const line = accountLine(account);
      expect([line, lines.get(line)]).toEqual([line, undefined]);
      lines.set(line, name);
    }
  });

  it('are served as a controller serves its pages, and come out the same each time', async () => {
    const named = scenes.filter(({ name }) => ['trusted', 'empty', 'log', 'hostile'].includes(name));
    expect(named).toHaveLength(4);
    for (const { name, play } of named) {
      const texts: string[] = [];
      for (const n of [1, 2]) {
        const site = await openSite(stage, `${name}-${n}`, await play(stage.store));
        const answer = await fetch(site.url);
        expect([name, answer.status, answer.headers.has('content-security-policy')]).toEqual([
          name,
          200,
          true,
        ]);
        texts.push(await answer.text());
        await site.close();
      }
      expect(texts[0]).toBe(texts[1]);
    }
  });
});
