import { describe, expect, it, onTestFinished } from 'vitest';
import { type CommitStatus, type Forge, type ForgeKind, openForge } from '../../src/forge/index.ts';
import { forgeLimits } from '../../src/forge/limits.ts';
import { ContractServer } from './contract-server.ts';

const commit = 'c'.repeat(40);
const { signal } = new AbortController();
const status = (state: CommitStatus['state'], more: Partial<CommitStatus> = {}): CommitStatus => ({
  commit,
  context: 'quorate/main',
  state,
  says: 'agreed, waiting for the trusted worker',
  ...more,
});

/** A request as the public description of a forge's API has it. Sources: in the files of `src/forge`. */
interface Contract {
  kind: ForgeKind;
  project: string;
  setStatus: {
    path: string;
    /** Name of the field with the state, and how each is called there. */
    states: Record<CommitStatus['state'], string>;
    body(state: string): Record<string, string>;
    headers: Record<string, string>;
  };
  pulls: { path: string; query: Record<string, string>; answer: unknown };
  /** One of them. */
  one: { path: string; open: object; closed: object[] };
  refs: string;
}

const pull = { pull: 7, title: 'better', author: 'mallory', base: 'main', labels: ['quorate:x'] };
const githubPull = {
  number: 7,
  title: 'better',
  user: { login: 'mallory' },
  labels: [{ name: 'quorate:x' }],
  base: { ref: 'main' },
};
const same = { pending: 'pending', success: 'success', failure: 'failure', error: 'error' };
const githubBody = (state: string) => ({
  state,
  context: 'quorate/main',
  target_url: 'https://ci.example.org/r',
  description: 'agreed, waiting for the trusted worker',
});

const contracts: Contract[] = [
  ...(['forgejo', 'gitea'] as const).map(
    (kind): Contract => ({
      kind,
      project: 'owner/tool',
      setStatus: {
        path: `/api/v1/repos/owner/tool/statuses/${commit}`,
        states: same,
        body: githubBody,
        headers: { authorization: 'token t', 'content-type': 'application/json' },
      },
      pulls: {
        path: '/api/v1/repos/owner/tool/pulls',
        query: { state: 'open', limit: '50', page: '1' },
        answer: [githubPull],
      },
      one: {
        path: '/api/v1/repos/owner/tool/pulls/7',
        open: { state: 'open' },
        closed: [{ state: 'closed' }],
      },
      refs: 'refs/pull/*/head',
    }),
  ),
  {
    kind: 'github',
    project: 'owner/tool',
    setStatus: {
      path: `/repos/owner/tool/statuses/${commit}`,
      states: same,
      body: githubBody,
      headers: {
        authorization: 'Bearer t',
        accept: 'application/vnd.github+json',
        'x-github-api-version': '2022-11-28',
      },
    },
    pulls: {
      path: '/repos/owner/tool/pulls',
      query: { state: 'open', per_page: '50', page: '1' },
      answer: [githubPull],
    },
    one: { path: '/repos/owner/tool/pulls/7', open: { state: 'open' }, closed: [{ state: 'closed' }] },
    refs: 'refs/pull/*/head',
  },
  {
    kind: 'gitlab',
    project: 'group/sub/tool',
    setStatus: {
      path: `/api/v4/projects/group%2Fsub%2Ftool/statuses/${commit}`,
      states: { pending: 'pending', success: 'success', failure: 'failed', error: 'canceled' },
      body: (state) => ({
        state,
        name: 'quorate/main',
        target_url: 'https://ci.example.org/r',
        description: 'agreed, waiting for the trusted worker',
      }),
      headers: { 'private-token': 't' },
    },
    pulls: {
      path: '/api/v4/projects/group%2Fsub%2Ftool/merge_requests',
      query: { state: 'opened', per_page: '50', page: '1' },
      answer: [
        {
          iid: 7,
          title: 'better',
          author: { username: 'mallory' },
          labels: ['quorate:x'],
          target_branch: 'main',
        },
      ],
    },
    one: {
      path: '/api/v4/projects/group%2Fsub%2Ftool/merge_requests/7',
      open: { state: 'opened' },
      closed: [{ state: 'closed' }, { state: 'merged' }],
    },
    refs: 'refs/merge-requests/*/head',
  },
  {
    kind: 'pagure',
    project: 'namespace/tool',
    setStatus: {
      path: `/api/0/namespace/tool/c/${commit}/flag`,
      states: same,
      body: (state) => ({
        status: state,
        username: 'quorate/main',
        url: 'https://ci.example.org/r',
        comment: 'agreed, waiting for the trusted worker',
        uid: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown as string,
      }),
      headers: { authorization: 'token t', 'content-type': 'application/x-www-form-urlencoded' },
    },
    pulls: {
      path: '/api/0/namespace/tool/pull-requests',
      query: { status: 'Open', per_page: '50', page: '1' },
      answer: {
        requests: [
          { id: 7, title: 'better', user: { name: 'mallory' }, tags: ['quorate:x'], branch: 'main' },
        ],
      },
    },
    one: {
      path: '/api/0/namespace/tool/pull-request/7',
      open: { status: 'Open' },
      closed: [{ status: 'Closed' }, { status: 'Merged' }],
    },
    refs: 'refs/pull/*/head',
  },
];

async function open(kind: ForgeKind, project: string): Promise<{ forge: Forge; server: ContractServer }> {
  const server = await ContractServer.start();
  const forge = openForge({ kind, project, api: `${server.url}/`, token: 't' });
  onTestFinished(async () => {
    await forge.close();
    await server.close();
  });
  return { forge, server };
}

/** The pull requests of an answer. */
const listIn = (answer: unknown[] | { requests: unknown[] }) =>
  Array.isArray(answer) ? answer : answer.requests;

const bodyOf = ({ headers, body }: { headers: Record<string, string | undefined>; body: string }) =>
  headers['content-type'] === 'application/json'
    ? JSON.parse(body)
    : Object.fromEntries(new URLSearchParams(body));

describe.each(contracts)('$kind', ({ kind, project, setStatus, pulls, one, refs }) => {
  it('is told of a status by the request that its API describes', async () => {
    const { forge, server } = await open(kind, project);
    for (const [state, named] of Object.entries(setStatus.states)) {
      await forge.setStatus(
        status(state as CommitStatus['state'], { link: 'https://ci.example.org/r' }),
        signal,
      );
      const request = server.requests.at(-1);
      expect(request).toMatchObject({ method: 'POST', path: setStatus.path, query: {} });
      expect(request?.headers).toMatchObject(setStatus.headers);
      expect(bodyOf(request as never)).toEqual(setStatus.body(named));
    }
  });

  it('is asked for its open pull requests, page after page', async () => {
    const { forge, server } = await open(kind, project);
    expect(forge.pullRefs).toBe(refs);
    server.answer(() => ({ body: pulls.answer }));
    expect(await forge.openPulls(signal)).toEqual({ pulls: [pull], isWhole: true, next: 2 });
    expect(server.requests).toMatchObject([{ method: 'GET', path: pulls.path, query: pulls.query }]);
  });

  it('is asked whether one is open still', async () => {
    const { forge, server } = await open(kind, project);
    for (const body of [one.open, ...one.closed]) {
      server.answer(() => ({ body }));
      expect(await forge.isOpen(7, signal)).toBe(body === one.open);
      expect(server.requests.at(-1)).toMatchObject({ method: 'GET', path: one.path, query: {} });
    }
    server.answer(() => ({ body: {} }));
    await expect(forge.isOpen(7, signal)).rejects.toMatchObject({ code: 'FORGE_ANSWER_INVALID' });
  });

  it('is asked for the newest each time, and for a further part of a list that is longer than what is read at once', async () => {
    const { forge, server } = await open(kind, project);
    const { perPage, pagesMax } = forgeLimits;
    const numbered = JSON.stringify(pulls.answer);
    const pages = (count: number) =>
      server.answer(({ query }) => {
        const begin = (Number(query.page) - 1) * perPage;
        const size = Math.max(0, Math.min(perPage, count - begin));
        const every = Array.from({ length: size }, (_, n) =>
          listIn(JSON.parse(numbered.replace(/"(number|iid|id)":7/, `"$1":${begin + n + 1}`))),
        ).flat();
        return { body: kind === 'pagure' ? { requests: every } : every };
      });
    const read = async (from?: number) => {
      const { pulls: found, ...rest } = await forge.openPulls(signal, from);
      return { ...rest, first: found[0]?.pull, second: found[perPage]?.pull, last: found.at(-1)?.pull };
    };
    pages(pagesMax * perPage - 1);
    expect(await read()).toMatchObject({ isWhole: true, next: 2, last: 499 });
    // A list that may go on is not whole, though it happens to end there.
    pages(pagesMax * perPage);
    expect(await read()).toMatchObject({ isWhole: false, next: pagesMax + 1, last: 500 });
    pages(1_200);
    expect(await read()).toEqual({ isWhole: false, next: 11, first: 1, second: 51, last: 500 });
    expect(await read(11)).toEqual({ isWhole: false, next: 20, first: 1, second: 501, last: 950 });
    expect(await read(20)).toEqual({ isWhole: false, next: 2, first: 1, second: 951, last: 1_200 });
    server.requests.length = 0;
    await read(forgeLimits.listPagesMax + 1);
    expect(server.requests.map(({ query }) => query.page).slice(0, 2)).toEqual(['1', '2']);
  });
});

describe('GitLab', () => {
  const answer = (from: string) => ({
    status: 400,
    body: {
      message: `Cannot transition status via :enqueue from :${from} (Reason(s): Status cannot transition)`,
    },
  });

  it('that has the state already is content, and one that refuses another is not', async () => {
    const { forge, server } = await open('gitlab', 'group/tool');
    server.answer(() => answer('pending'));
    await forge.setStatus(status('pending'), signal);
    server.answer(() => answer('success'));
    await expect(forge.setStatus(status('pending'), signal)).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
  });
});

describe('Pagure', () => {
  it('has a link of its own where the owner names none, and one flag for a name and a commit', async () => {
    const { forge, server } = await open('pagure', 'tool');
    await forge.setStatus(status('pending'), signal);
    await forge.setStatus(status('success'), signal);
    await forge.setStatus(status('success', { context: 'other' }), signal);
    const [first, second, third] = server.requests.map((request) => bodyOf(request));
    expect(first.url).toBe(`${server.url}/tool/c/${commit}`);
    expect(second.uid).toBe(first.uid);
    expect(third.uid).not.toBe(first.uid);
  });
});
