import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Role } from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import { createKey, loadKey, type NodeKey } from '../identity/keys.ts';
import { readOptional, writeAtomic } from './files.ts';

/** What a node knows of a project it belongs to. */
export interface Membership {
  /** PeerId of the root key. */
  project: string;
  name: string;
  operator: string;
  role: Role;
  /** Compact JWS as it came. */
  charter: string;
  grant: string;
  controllers: { id: string; addrs: string[] }[];
  bootstrap: string[];
}

/** A node's folder: its key, and a file per project it belongs to. */
export interface Home {
  readonly dir: string;
  hasKey(): boolean;
  /** Made on first use, readable by its owner only. */
  key(): Promise<NodeKey>;
  memberships(): Promise<Membership[]>;
  /** The only one, or the one of that project. Errors: `MEMBERSHIP_NONE`, `MEMBERSHIP_AMBIGUOUS`. */
  membership(project?: string): Promise<Membership>;
  save(membership: Membership): Promise<void>;
}

export function openHome(dir: string): Home {
  const keyFile = join(dir, 'node.key');
  const projects = join(dir, 'projects');

  async function memberships(): Promise<Membership[]> {
    const names = existsSync(projects)
      ? (await readdir(projects)).filter((file) => file.endsWith('.json')).sort()
      : [];
    const found: Membership[] = [];
    for (const file of names) {
      const text = await readOptional(join(projects, file));
      if (text === undefined) continue;
      try {
        found.push(JSON.parse(text));
      } catch (cause) {
        throw new QuorateError('HOME_DAMAGED', `${join(projects, file)} is not JSON`, {
          cause,
          hint: 'Remove it and join again.',
        });
      }
    }
    return found;
  }

  return {
    dir,
    hasKey: () => existsSync(keyFile),
    key: () => (existsSync(keyFile) ? loadKey(keyFile) : createKey(keyFile)),
    memberships,
    async membership(project) {
      const all = await memberships();
      const [first, second] =
        project === undefined ? all : all.filter((membership) => membership.project === project);
      if (first === undefined) {
        throw new QuorateError(
          'MEMBERSHIP_NONE',
          project === undefined
            ? `${dir} belongs to no project yet`
            : `${dir} does not belong to project ${project}`,
          { hint: 'Ask the owner of the project for a ticket, then: quorate join <ticket>' },
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
