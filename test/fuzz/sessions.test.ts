import { expect, it } from 'vitest';
import { answered, answers } from './targets/sessions.ts';

const ends = [...new Set(answers.map(([end]) => end))];

it.each(ends)(
  '%s ends with a code, or not at all, whatever field of an answer is missing, doubled or of another type',
  async (end) => {
    const given = answers.filter(([one]) => one === end);
    expect(given.length).toBeGreaterThan(50);
    for (const [, text] of given)
      await answered(end, text).catch((error: unknown) => {
        throw new Error(`${text.slice(0, 300)}: ${String(error)}`, { cause: error });
      });
  },
);
