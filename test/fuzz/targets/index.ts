import type { AnyTarget } from '../target.ts';
import { archives } from './archives.ts';
import { documents } from './documents.ts';
import { files } from './files.ts';
import { http } from './http.ts';
import { mesh } from './mesh.ts';
import { texts } from './texts.ts';
import { transfer } from './transfer.ts';
import { transparency } from './transparency.ts';
import { trees } from './trees.ts';
import { wire } from './wire.ts';

/** Every decoder that a stranger reaches. That none is missing is held by `decoders.test.ts`. */
export const targets: readonly AnyTarget[] = [
  ...documents,
  ...transparency,
  ...wire,
  ...files,
  ...trees,
  ...archives,
  ...transfer,
  ...texts,
  ...http,
  ...mesh,
];
