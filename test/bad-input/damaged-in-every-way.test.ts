import { damagedFiles, everyDamage } from './support/damaged-files.ts';

damagedFiles(() => everyDamage);
