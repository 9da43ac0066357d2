import { z } from 'zod';
import { codeOf, messageOf } from '../protocol/base/errors.ts';
import { type ForgeApi, shown } from './api.ts';
import { forgeLimits } from './limits.ts';
import type { CommitStatus, Forge, OpenPull } from './types.ts';

const pullsSchema = z.array(
  z.object({
    iid: z.int().positive(),
    title: z.string(),
    author: z.object({ username: z.string() }),
    labels: z.array(z.string()),
    target_branch: z.string(),
  }),
);

const stateSchema = z.object({ state: z.string() });

const states = { pending: 'pending', success: 'success', failure: 'failed', error: 'canceled' } as const;

/**
 * GitLab. Sources: "Set commit pipeline status", "List project merge requests" (the newest first) and "Get single MR" of its REST API (v4).
 * A status that is as it was before is answered with 400 and "Cannot transition status": that is what was asked for.
 */
export function gitlab(api: ForgeApi, project: string): Forge {
  const root = `/api/v4/projects/${encodeURIComponent(project)}`;
  return {
    pullRefs: 'refs/merge-requests/*/head',
    async setStatus({ commit, context, state, says, link }: CommitStatus, signal) {
      const body = {
        ...{ state: states[state], name: context, description: says },
        ...(link !== undefined && { target_url: link }),
      };
      try {
        await api.call({ method: 'POST', path: `${root}/statuses/${commit}`, body, signal });
      } catch (error) {
        if (codeOf(error) !== 'FORGE_REFUSED' || !isUnchanged(messageOf(error), states[state])) throw error;
      }
    },
    async openPulls(signal, from) {
      const path = (page: number) =>
        `${root}/merge_requests?state=opened&per_page=${forgeLimits.perPage}&page=${page}`;
      const { all, ...rest } = await api.pages(path, pullsSchema, signal, from);
      const pulls = all.map(
        ({ iid, title, author, labels, target_branch }): OpenPull => ({
          pull: iid,
          title: shown(title),
          author: shown(author.username),
          base: target_branch,
          labels: labels.slice(0, forgeLimits.labelsMax),
        }),
      );
      return { pulls, ...rest };
    },
    async isOpen(pull, signal) {
      return (await api.get(`${root}/merge_requests/${pull}`, stateSchema, signal)).state === 'opened';
    },
  };
}

/** `Cannot transition status via :enqueue from :pending`: only from the same state is it what was asked for. */
const isUnchanged = (message: string, state: string): boolean =>
  new RegExp(`Cannot transition status via :\\w+ from :${state}\\b`).test(message);
