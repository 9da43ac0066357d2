import { damagedFiles, everyDamage } from './support/damaged-files.ts';

/** Two of the five to each file, in turn; damaged-in-every-way.test.ts does all. */
damagedFiles((row) => [0, 2].map((n) => everyDamage[(row + n) % everyDamage.length] ?? ''));
