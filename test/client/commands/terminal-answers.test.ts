import { describe, expect, it } from 'vitest';
import { TerminalAnswers } from '../../../src/client/commands/shell.ts';

/** How long is waited for a terminal that says this, each at its time; no time passes but that which is slept. */
async function waitedMs(says: readonly { at: number; text: string }[]): Promise<number> {
  let now = 0;
  const left = [...says];
  const answers: TerminalAnswers = new TerminalAnswers({
    now: () => now,
    sleep: async (ms) => {
      const until = now + ms;
      for (let next = left[0]; next !== undefined && next.at <= until; next = left[0]) {
        left.shift();
        now = next.at;
        answers.heard(Buffer.from(next.text));
      }
      now = until;
    },
  });
  const asked: string[] = [];
  await answers.over((text) => asked.push(text));
  expect(asked).toEqual(['\u001b[5n']);
  return now;
}

describe('the pending answer of a terminal', () => {
  it('is waited for until it has answered the last question, and a moment more', async () => {
    const answers = [
      { at: 100, text: '\u001b[1;1R\u001b[' },
      { at: 200, text: '0n' },
    ];
    expect(await waitedMs(answers)).toBe(400);
  });

  it('is waited for two seconds where it knows no questions', async () => {
    expect(await waitedMs([])).toBe(2_000);
  });

  it('is waited for no longer than five seconds where it never stops', async () => {
    const talk = Array.from({ length: 1000 }, (_, n) => ({ at: n * 50, text: '\u001b[0n' }));
    expect(await waitedMs(talk)).toBe(5_000);
  });

  it('is waited for by the clock of the host where none is given', async () => {
    const answers = new TerminalAnswers();
    const asked = Promise.withResolvers<void>();
    const over = answers.over(() => asked.resolve());
    await asked.promise;
    answers.heard(Buffer.from('\u001b[0n'));
    await over;
  });
});
