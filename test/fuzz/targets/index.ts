import { join } from 'node:path';
import type { AnyTarget } from '../target.ts';
import { targets as archives } from './archives.ts';
import { targets as comparison } from './comparison.ts';
import { targets as documents } from './documents.ts';
import { targets as egress } from './egress.ts';
import { targets as ends } from './ends.ts';
import { targets as files } from './files.ts';
import { targets as git } from './git.ts';
import { targets as http } from './http.ts';
import { targets as images } from './images.ts';
import { targets as lockFiles } from './lock-files.ts';
import { targets as mesh } from './mesh.ts';
import { targets as providers } from './providers.ts';
import { targets as registries } from './registries.ts';
import { targets as services } from './services.ts';
import { targets as sessions } from './sessions.ts';
import { targets as signIn } from './sign-in.ts';
import { targets as texts } from './texts.ts';
import { targets as transfer } from './transfer.ts';
import { targets as transparency } from './transparency.ts';
import { targets as trees } from './trees.ts';
import { targets as wire } from './wire.ts';

const groups = {
  documents,
  transparency,
  wire,
  files,
  trees,
  archives,
  comparison,
  images,
  transfer,
  texts,
  git,
  http,
  egress,
  mesh,
  'lock-files': lockFiles,
  registries,
  providers,
  services,
  sessions,
  ends,
  'sign-in': signIn,
};

/** Every decoder that a stranger reaches. That none is missing is held by `decoders.test.ts`. */
export const targets: readonly AnyTarget[] = Object.values(groups).flat();

/** The file a target is in: a process that runs it alone has no need to read the others. */
export function moduleOf(name: string): string {
  const [group = ''] = Object.entries(groups).find(([, all]) => all.some((one) => one.name === name)) ?? [];
  return join(import.meta.dirname, `${group}.ts`);
}
