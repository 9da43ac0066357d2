import { describe, expect, it } from 'vitest';
import { TerminalAnswers } from '../../src/cli/terminal-answers.ts';

const say = (answers: TerminalAnswers, text: string, ms: number) =>
  setTimeout(() => answers.heard(Buffer.from(text)), ms);

async function msOf(answers: TerminalAnswers): Promise<number> {
  const began = performance.now();
  const asked: string[] = [];
  await answers.over((text) => asked.push(text));
  expect(asked).toEqual(['\u001b[5n']);
  return performance.now() - began;
}

describe.concurrent('what a terminal still has to say', () => {
  it('is waited for until it has answered the last question, and a moment more', async () => {
    const answers = new TerminalAnswers();
    say(answers, '\u001b[1;1R\u001b[', 100);
    say(answers, '0n', 200);
    const ms = await msOf(answers);
    expect(ms).toBeGreaterThanOrEqual(390);
    // Which one is waited for that says nothing.
    expect(ms).toBeLessThan(1_990);
  });

  it('is waited for two seconds where it knows no questions', async () => {
    const ms = await msOf(new TerminalAnswers());
    expect(ms).toBeGreaterThanOrEqual(1_990);
  });

  it('is waited for no longer than five seconds where it never stops', async () => {
    const answers = new TerminalAnswers();
    const talk = setInterval(() => answers.heard(Buffer.from('\u001b[0n')), 50);
    const ms = await msOf(answers).finally(() => clearInterval(talk));
    expect(ms).toBeGreaterThanOrEqual(4_990);
  });
});
