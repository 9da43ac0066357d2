import { expect, it } from 'vitest';
import { attack, tellsTwoStories } from './two-stories.ts';

tellsTwoStories(3, 3);

it('control: nobody is accused where a controller tells one story', async () =>
  expect(await attack(1, undefined)).toEqual({ informed: 0, lines: 0, failure: null }));
