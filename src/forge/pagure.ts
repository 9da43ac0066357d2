import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type ForgeApi, shown } from './api.ts';
import { forgeLimits } from './limits.ts';
import type { CommitStatus, Forge, OpenPull } from './types.ts';

const pullsSchema = z
  .object({
    requests: z.array(
      z.object({
        id: z.int().positive(),
        title: z.string(),
        user: z.object({ name: z.string() }),
        tags: z.array(z.string()).optional(),
        branch: z.string(),
      }),
    ),
  })
  .transform(({ requests }) => requests);

const stateSchema = z.object({ status: z.string() });

/**
 * Pagure. Sources: "Flag a commit", "List project's Pull-Requests" (the newest first) and "Pull-Request information" of the API that each instance describes at `/api/0/`.
 * A flag needs a link: that of the commit, where the owner names none.
 */
export function pagure(api: ForgeApi, base: string, project: string): Forge {
  const root = `/api/0/${project}`;
  return {
    pullRefs: 'refs/pull/*/head',
    async setStatus({ commit, context, state, says, link }: CommitStatus, signal) {
      const body = new URLSearchParams({
        username: context,
        comment: says,
        url: link ?? `${base.replace(/\/+$/, '')}/${project}/c/${commit}`,
        status: state,
        // Names the flag that is replaced; 32 characters at most.
        uid: createHash('sha256').update(`${context}\n${commit}`).digest('hex').slice(0, 32),
      });
      await api.call({ method: 'POST', path: `${root}/c/${commit}/flag`, body, signal });
    },
    async openPulls(signal, from) {
      const path = (page: number) =>
        `${root}/pull-requests?status=Open&per_page=${forgeLimits.perPage}&page=${page}`;
      const { all, ...rest } = await api.pages(path, pullsSchema, signal, from);
      const pulls = all.map(
        ({ id, title, user, tags = [], branch }): OpenPull => ({
          pull: id,
          title: shown(title),
          author: shown(user.name),
          base: branch,
          labels: tags.slice(0, forgeLimits.labelsMax),
        }),
      );
      return { pulls, ...rest };
    },
    async isOpen(pull, signal) {
      return (await api.get(`${root}/pull-request/${pull}`, stateSchema, signal)).status === 'Open';
    },
  };
}
