import { join } from 'node:path';
import { z } from 'zod';
import { hostsNamed } from '../../protocol/judge/hosts.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import { readJson, writeJson } from '../files.ts';
import { openCharter } from './credentials.ts';
import { type Home, hostsFile } from './home.ts';

const schema = z.object({
  /** The project named them when the operator joined; of a home from before there was this list, at its next start. */
  shown: z.array(z.string()),
  /** The operator allowed them since. */
  allowed: z.array(z.string()),
});
/** Hosts that the worker of a home connects to for a project, where worker.toml does not list them. */
export type KnownHosts = z.infer<typeof schema>;

/** Hosts that a project names now, as its charter and its controller say. @throws CHARTER_ISSUER_MISMATCH, DOC_… */
export async function hostsOf({ charter, project, feed }: Membership): Promise<string[]> {
  return hostsNamed((await openCharter(charter, project)).payload, feed);
}

/** Undefined where nothing was recorded. @throws HOME_DAMAGED, HOME_NEWER, HOME_UNREADABLE */
export function knownHosts({ dir }: Pick<Home, 'dir'>, project: string): Promise<KnownHosts | undefined> {
  const hint = 'Remove it: the next start allows the hosts that the charter names then.';
  return readJson(join(dir, hostsFile(project)), schema, hint);
}

/** @throws HOME_UNWRITABLE */
export const rememberHosts = (
  { dir }: Pick<Home, 'dir'>,
  project: string,
  hosts: KnownHosts,
): Promise<void> => writeJson(join(dir, hostsFile(project)), hosts);

/** Records the hosts that the project names now, of these the shown ones, and returns all that are known. @throws those of both */
export async function recordShown(
  home: Pick<Home, 'dir'>,
  membership: Membership,
  shown?: readonly string[],
): Promise<KnownHosts> {
  const before = await knownHosts(home, membership.project);
  const named = await hostsOf(membership);
  const hosts = {
    shown: named.filter((host) => shown === undefined || shown.includes(host)),
    allowed: before?.allowed ?? [],
  };
  await rememberHosts(home, membership.project, hosts);
  return hosts;
}
