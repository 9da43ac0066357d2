import { createHash } from 'node:crypto';
import { z } from 'zod';
import { codeOf, messageOf } from '../protocol/base/errors.ts';
import { type ForgeApi, shown } from './api.ts';
import { forgeLimits } from './limits.ts';
import type { Forge, OpenPull } from './types.ts';

interface Kind extends Pick<Forge, 'pullRefs' | 'setStatus'> {
  api: ForgeApi;
  /** Path of the open pull requests, the newest first; `page=N` follows. */
  list: string;
  pulls: z.ZodType<OpenPull[]>;
  /** Path above one pull request. */
  pull: string;
  isOpen: z.ZodType<boolean>;
}

const forgeOf = ({ api, list, pulls, pull, isOpen, pullRefs, setStatus }: Kind): Forge => ({
  pullRefs,
  setStatus,
  async openPulls(signal, from) {
    const { all, ...rest } = await api.pages((page) => `${list}&page=${page}`, pulls, signal, from);
    return { pulls: all, ...rest };
  },
  isOpen: (id, signal) => api.get(`${pull}/${id}`, isOpen, signal),
});

const openPull = (pull: number, title: string, author: string, base: string, labels: string[]): OpenPull => ({
  pull,
  title: shown(title),
  author: shown(author),
  base,
  labels: labels.slice(0, forgeLimits.labelsMax),
});

const pageSize = `per_page=${forgeLimits.perPage}`;
const stateIs = (open: string) => z.object({ state: z.string() }).transform(({ state }) => state === open);

const githubPulls = z.array(
  z
    .object({
      number: z.int().positive(),
      title: z.string(),
      user: z.object({ login: z.string() }).nullable(),
      labels: z.array(z.object({ name: z.string() })).nullish(),
      base: z.object({ ref: z.string() }),
    })
    .transform(({ number, title, user, labels, base }) => {
      const names = (labels ?? []).map(({ name }) => name);
      return openPull(number, title, user?.login ?? '', base.ref, names);
    }),
);

/**
 * Forgejo, Gitea and GitHub: the same requests, at other addresses. Sources: "Create a commit status", "List pull requests" and "Get a pull
 * request" of the REST API of GitHub (2022-11-28); the Swagger description of Forgejo and Gitea (v1).
 */
export const githubLike = (api: ForgeApi, repository: string, size: 'limit' | 'per_page'): Forge =>
  forgeOf({
    api,
    pullRefs: 'refs/pull/*/head',
    list: `${repository}/pulls?state=open&${size}=${forgeLimits.perPage}`,
    pulls: githubPulls,
    pull: `${repository}/pulls`,
    isOpen: stateIs('open'),
    async setStatus({ commit, context, state, says, link }, signal) {
      const body = { state, context, description: says, target_url: link };
      await api.call({ method: 'POST', path: `${repository}/statuses/${commit}`, body, signal });
    },
  });

const gitlabPulls = z.array(
  z
    .object({
      iid: z.int().positive(),
      title: z.string(),
      author: z.object({ username: z.string() }),
      labels: z.array(z.string()),
      target_branch: z.string(),
    })
    .transform(({ iid, title, author, labels, target_branch: base }) =>
      openPull(iid, title, author.username, base, labels),
    ),
);

const gitlabStates = {
  pending: 'pending',
  success: 'success',
  failure: 'failed',
  error: 'canceled',
} as const;

/** GitLab. Sources: "Set commit pipeline status", "List project merge requests" and "Get single MR" of its REST API (v4). */
export function gitlab(api: ForgeApi, project: string): Forge {
  const root = `/api/v4/projects/${encodeURIComponent(project)}`;
  return forgeOf({
    api,
    pullRefs: 'refs/merge-requests/*/head',
    list: `${root}/merge_requests?state=opened&${pageSize}`,
    pulls: gitlabPulls,
    pull: `${root}/merge_requests`,
    isOpen: stateIs('opened'),
    async setStatus({ commit, context, state: wanted, says, link }, signal) {
      const state = gitlabStates[wanted];
      const body = { state, name: context, description: says, target_url: link };
      try {
        await api.call({ method: 'POST', path: `${root}/statuses/${commit}`, body, signal });
      } catch (error) {
        // The status is as it was: `Cannot transition status via :enqueue from :pending`.
        const same = new RegExp(`Cannot transition status via :\\w+ from :${state}\\b`);
        if (codeOf(error) !== 'FORGE_REFUSED' || !same.test(messageOf(error))) throw error;
      }
    },
  });
}

const pagurePull = z
  .object({
    id: z.int().positive(),
    title: z.string(),
    user: z.object({ name: z.string() }),
    tags: z.array(z.string()).optional(),
    branch: z.string(),
  })
  .transform(({ id, title, user, tags = [], branch }) => openPull(id, title, user.name, branch, tags));

/** Pagure. Sources: "Flag a commit", "List project's Pull-Requests" and "Pull-Request information" of the API at `/api/0/`. */
export function pagure(api: ForgeApi, base: string, project: string): Forge {
  const root = `/api/0/${project}`;
  return forgeOf({
    api,
    pullRefs: 'refs/pull/*/head',
    list: `${root}/pull-requests?status=Open&${pageSize}`,
    pulls: z.object({ requests: z.array(pagurePull) }).transform(({ requests }) => requests),
    pull: `${root}/pull-request`,
    isOpen: z.object({ status: z.string() }).transform(({ status }) => status === 'Open'),
    async setStatus({ commit, context, state, says, link }, signal) {
      const body = new URLSearchParams({
        username: context,
        comment: says,
        // A flag needs a link: that of the commit, where the owner names none.
        url: link ?? `${base.replace(/\/+$/, '')}/${project}/c/${commit}`,
        status: state,
        // Names the flag that is replaced; 32 characters at most.
        uid: createHash('sha256').update(`${context}\n${commit}`).digest('hex').slice(0, 32),
      });
      await api.call({ method: 'POST', path: `${root}/c/${commit}/flag`, body, signal });
    },
  });
}
