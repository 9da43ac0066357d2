import { expect, it } from 'vitest';
import { attack, tellsTwoStories } from './two-stories.ts';

tellsTwoStories({ early: [5], late: [[4], [1]] });

it('control: nobody is accused where a controller tells one story', async () =>
  expect(await attack(5, undefined)).toEqual({ informed: 0, lines: 0, failure: null }));
