import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createKey, loadKey, type NodeKey } from '../../identity/keys.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { roleSchema } from '../../protocol/documents/base.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import { readJson, writeJson } from '../files.ts';

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

const projectsNamedMax = 8;

export type Home = ReturnType<typeof openHome>;

/** A node's home folder: its key, and a file per membership. */
export function openHome(dir: string) {
  const keyFile = join(dir, 'node.key');
  const projects = join(dir, 'projects');

  /** The node's key, created on first use, readable by its owner only. */
  async function key(): Promise<NodeKey> {
    if (existsSync(keyFile)) return loadKey(keyFile);
    return createKey(keyFile).catch((error) => {
      // Another process has created it.
      if (codeOf(error) === 'KEY_FILE_EXISTS') return loadKey(keyFile);
      throw error;
    });
  }

  async function memberships(): Promise<Membership[]> {
    const names = existsSync(projects)
      ? (await readdir(projects)).filter((file) => file.endsWith('.json')).sort()
      : [];
    const found: Membership[] = [];
    for (const file of names) {
      const one = await readJson(join(projects, file), membershipSchema, 'Remove it and join again.');
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  return {
    dir,
    fileOf: (project: string): string => join(projects, `${project}.json`),
    hasKey: (): boolean => existsSync(keyFile),
    key,
    memberships,
    /** The membership of a project, by its id or its name, or the only one. @throws MEMBERSHIP_NOT_FOUND, MEMBERSHIP_AMBIGUOUS */
    async membership(project?: string): Promise<Membership> {
      const all = await memberships();
      const byId = all.filter((membership) => membership.project === project);
      const fitting =
        project === undefined ? all : byId.length > 0 ? byId : all.filter(({ name }) => name === project);
      const [first, second] = fitting;
      if (first === undefined) {
        const says =
          project === undefined ? 'belongs to no project yet' : `does not belong to project ${project}`;
        const shown = all.length > 0 ? '"quorate project list" shows those it belongs to. ' : '';
        throw new QuorateError('MEMBERSHIP_NOT_FOUND', `${dir} ${says}`, {
          hint: `${shown}Ask the owner of the project for a ticket, then: quorate join <ticket>. Owners run this in the repository of their project.`,
        });
      }
      if (second !== undefined) {
        const there = fitting.slice(0, projectsNamedMax).map((one) => `${one.name} (${one.project})`);
        const more = fitting.length - there.length;
        const says = `${there.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
        const which = first.name === second.name ? first.project : first.name;
        throw new QuorateError(
          'MEMBERSHIP_AMBIGUOUS',
          `${dir} belongs to ${fitting.length} projects: ${says}`,
          {
            hint: `Say which: --project ${which}. "quorate project list" shows them, "quorate worker leave" leaves one.`,
          },
        );
      }
      return first;
    },
    /** Removes a membership, and the journal and the copy of the log of its worker. @throws HOME_UNWRITABLE */
    async forget(project: string): Promise<void> {
      const journal = join(dir, `worker-${project}.db`);
      const files = [
        ...['', '-wal', '-shm', '-synced'].map((end) => journal + end),
        ...[`log-${project}.txt`, hostsFile(project)].map((name) => join(dir, name)),
        watchedLog(dir, project),
      ];
      try {
        for (const file of [...files, join(projects, `${project}.json`)]) await rm(file, { force: true });
      } catch (cause) {
        throw new QuorateError('HOME_UNWRITABLE', `${dir} cannot be changed: ${messageOf(cause)}`, {
          hint: 'Run it as the user whose folder it is.',
          cause,
        });
      }
    },
    save: (membership: Membership): Promise<void> =>
      writeJson(join(projects, `${membership.project}.json`), membership, 2),
  };
}

export const hostsFile = (project: string): string => `hosts-${project}.json`;

export const watchedLog = (dir: string, project: string): string => join(dir, `watch-log-${project}.txt`);
