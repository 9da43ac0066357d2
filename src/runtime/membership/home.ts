import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { roleSchema } from '../../core/documents/base.ts';
import { codeOf, QuorateError } from '../../core/errors.ts';
import type { Membership } from '../../core/sessions/credentials.ts';
import { createKey, loadKey, type NodeKey } from '../../identity/keys.ts';
import { parseFile, readOptional, writeAtomic } from '../node/files.ts';

const membershipSchema: z.ZodType<Membership> = z.object({
  /** PeerId of the root key. */
  project: z.string().min(1),
  name: z.string(),
  operator: z.string(),
  role: roleSchema,
  /** Compact JWS, as received. */
  charter: z.string(),
  grant: z.string(),
  controllers: z.array(z.strictObject({ id: z.string(), addrs: z.array(z.string()) })),
  bootstrap: z.array(z.string()),
  /** URLs of the controller's HTTP feed, for workers that the mesh does not reach; absent when it has none. */
  feed: z.array(z.string()).optional(),
});

/** A node's home folder: its key, and a file per membership. */
export interface Home {
  readonly dir: string;
  hasKey(): boolean;
  /** The node's key, created on first use, readable by its owner only. */
  key(): Promise<NodeKey>;
  memberships(): Promise<Membership[]>;
  /** The membership of a project, or the only one. Errors: `MEMBERSHIP_NOT_FOUND`, `MEMBERSHIP_AMBIGUOUS`. */
  membership(project?: string): Promise<Membership>;
  save(membership: Membership): Promise<void>;
}

export function openHome(dir: string): Home {
  const keyFile = join(dir, 'node.key');
  const projects = join(dir, 'projects');

  async function key(): Promise<NodeKey> {
    if (existsSync(keyFile)) return loadKey(keyFile);
    try {
      return await createKey(keyFile);
    } catch (error) {
      // Another process has created it.
      if (codeOf(error) === 'KEY_FILE_EXISTS') return loadKey(keyFile);
      throw error;
    }
  }

  async function memberships(): Promise<Membership[]> {
    const names = existsSync(projects)
      ? (await readdir(projects)).filter((file) => file.endsWith('.json')).sort()
      : [];
    const found: Membership[] = [];
    for (const file of names) {
      const text = await readOptional(join(projects, file));
      if (text === undefined) continue;
      const path = join(projects, file);
      found.push(parseFile(path, text, membershipSchema, 'Remove it and join again.'));
    }
    return found;
  }

  return {
    dir,
    hasKey: () => existsSync(keyFile),
    key,
    memberships,
    async membership(project) {
      const all = await memberships();
      const [first, second] =
        project === undefined ? all : all.filter((membership) => membership.project === project);
      if (first === undefined) {
        throw new QuorateError(
          'MEMBERSHIP_NOT_FOUND',
          project === undefined
            ? `${dir} belongs to no project yet`
            : `${dir} does not belong to project ${project}`,
          {
            hint: 'Ask the owner of the project for a ticket, then: quorate join <ticket>. Owners run this in the repository of their project.',
          },
        );
      }
      if (second !== undefined) {
        throw new QuorateError('MEMBERSHIP_AMBIGUOUS', `${dir} belongs to ${all.length} projects`, {
          hint: `Say which: --project ${first.project}`,
        });
      }
      return first;
    },
    save: (membership) =>
      writeAtomic(join(projects, `${membership.project}.json`), `${JSON.stringify(membership, null, 2)}\n`),
  };
}
