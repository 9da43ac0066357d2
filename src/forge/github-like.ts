import { z } from 'zod';
import { type ForgeApi, shown } from './api.ts';
import { forgeLimits } from './limits.ts';
import type { CommitStatus, Forge, OpenPull } from './types.ts';

const pullsSchema = z.array(
  z.object({
    number: z.int().positive(),
    title: z.string(),
    user: z.object({ login: z.string() }).nullable(),
    labels: z.array(z.object({ name: z.string() })).nullish(),
    base: z.object({ ref: z.string() }),
  }),
);

const stateSchema = z.object({ state: z.string() });

/**
 * Forgejo, Gitea and GitHub: the same requests, at other addresses.
 * Sources: "Create a commit status", "List pull requests" (the newest first) and "Get a pull request" of the REST API of GitHub (2022-11-28);
 * `repoCreateStatus`, `repoListPullRequests` and `repoGetPullRequest` in the Swagger description of Forgejo and Gitea (v1).
 */
export function githubLike(api: ForgeApi, repository: string, pageSize: 'limit' | 'per_page'): Forge {
  return {
    pullRefs: 'refs/pull/*/head',
    async setStatus({ commit, context, state, says, link }: CommitStatus, signal) {
      const body = {
        ...{ state, context, description: says },
        ...(link !== undefined && { target_url: link }),
      };
      await api.call({ method: 'POST', path: `${repository}/statuses/${commit}`, body, signal });
    },
    async openPulls(signal, from) {
      const path = (page: number) =>
        `${repository}/pulls?state=open&${pageSize}=${forgeLimits.perPage}&page=${page}`;
      const { all, ...rest } = await api.pages(path, pullsSchema, signal, from);
      const pulls = all.map(
        ({ number, title, user, labels, base }): OpenPull => ({
          pull: number,
          title: shown(title),
          author: shown(user?.login ?? ''),
          base: base.ref,
          labels: (labels ?? []).slice(0, forgeLimits.labelsMax).map(({ name }) => name),
        }),
      );
      return { pulls, ...rest };
    },
    async isOpen(pull, signal) {
      return (await api.get(`${repository}/pulls/${pull}`, stateSchema, signal)).state === 'open';
    },
  };
}
