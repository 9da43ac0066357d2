import { expect, it } from 'vitest';
import { answered, answers } from './targets/sessions.ts';

const ends = [...new Set(answers.map(([end]) => end))];

it.each(ends)(
  '%s ends with a code, or not at all, by each of the answers that sessions.test.ts takes a seventh of',
  async (end) => {
    for (const [, text] of answers.filter(([one]) => one === end))
      await expect(answered(end, text), text.slice(0, 300)).resolves.toBeUndefined();
  },
);
