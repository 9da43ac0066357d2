import { signInLimits } from './sign-in/limits.ts';

const text = { type: 'string' };
const [page, events, json] = ['text/html', 'text/event-stream', 'application/json'];

interface Told {
  summary: string;
  /** Media type of the answer. */
  type: string;
  /** Default: 200. */
  status?: 200 | 202 | 302 | 303;
  query?: Readonly<Record<string, string>>;
  /** Fields of a form or, of one with `type` JSON, members of the body. */
  body?: { as: 'form' | 'json'; fields: Readonly<Record<string, string>> };
  /** Role that who asks is signed in with, by cookie or token. */
  role?: 'reader' | 'publisher' | undefined;
}

const csrf = {
  csrf: 'Token of the session, as its pages have it; also as the header `x-csrf-token`. A bearer token needs none.',
};
const form = (fields: Record<string, string>) => ({ as: 'form' as const, fields });
const body = (fields: Record<string, string>) => ({ as: 'json' as const, fields });
/** A form of somebody who is signed in, which leads to a page. */
const action = (summary: string, role: Told['role'], fields: Record<string, string> = {}): Told => {
  return { summary, type: page, status: 303, role, body: form({ ...csrf, ...fields }) };
};

/** Pages, downloads, actions and signing in: what a controller serves besides its feed, and all of a watcher. */
const told: Readonly<Record<string, Told>> = {
  'GET /': { summary: 'The page of the project.', type: page },
  'GET /events': { summary: 'Parts of that page, as they change.', type: events },
  'GET /runs': {
    summary: 'A page of a list of runs, newest first.',
    type: page,
    query: {
      ref: 'Only of this ref.',
      job: 'Only of the job of this name.',
      state: 'Only those in this state.',
      before: 'Only those before this one; from the link to older ones.',
    },
  },
  'GET /runs/{run}': { summary: 'The page of a run.', type: page },
  'GET /runs/{run}/events': { summary: 'Parts of that page, as they change.', type: events },
  'POST /runs/{run}/acknowledge': action('Says that the alarm of a run was looked at.', 'publisher'),
  'POST /runs/{run}/cancel': action('Ends a run, for the key that published it.', 'publisher'),
  'GET /runs/{run}/logs/{lease}': {
    summary: 'A page of the log of one build, or what was found in it.',
    type: page,
    query: {
      line: 'A line on the page.',
      q: 'A text to search for.',
      from: 'Line from which on the search goes.',
    },
  },
  'GET /runs/{run}/logs/{lease}/events': { summary: 'Lines of a log, as they come.', type: events },
  'GET /runs/{run}/logs/{lease}/raw': { summary: 'The log of one build.', type: 'text/plain' },
  'GET /trees/{name}': {
    summary: 'An artifact as a tar archive, CID.tar, or what it was made from (CycloneDX), CID.cdx.json.',
    type: 'application/octet-stream',
  },
  'GET /trees/{tree}/file': {
    summary: 'One file of an artifact.',
    type: 'application/octet-stream',
    query: { path: 'Its path in the artifact.' },
  },
  'GET /badge.svg': {
    summary: 'The state of a branch or tag as an image, also of one that is not known.',
    type: 'image/svg+xml',
    query: { ref: '`main`, or `refs/tags/v1`.' },
  },
  'GET /pipelines': { summary: 'The page of what a watcher has published.', type: page, role: 'publisher' },
  'POST /pipelines': action('Publishes a pipeline again, as the rules are now.', 'publisher', {
    id: 'Of the pipeline, as its page has it.',
    which: '`all` jobs, or those that `failed`.',
  }),
  'GET /approvals': {
    summary: 'The page of pull requests that wait, and of those that were decided.',
    type: page,
    role: 'publisher',
  },
  'POST /approvals': action('Decides on one commit of a pull request.', 'publisher', {
    id: 'Pull request and commit, `7@COMMIT`.',
    verdict: '`approved` or `denied`.',
  }),
  'POST /webhook': {
    summary:
      'Has the watcher look at the repository now. Signed as the forge signs; nothing that it says is used.',
    type: json,
    status: 202,
    body: body({}),
  },
  'GET /verify': { summary: 'The page that verifies in the browser, one file.', type: page },
  'GET /static/{name}': { summary: 'A file of the pages, by its name with its hash.', type: 'text/css' },
  'GET /openapi.json': { summary: 'This document.', type: json },
  'GET /.well-known/oauth-authorization-server': {
    summary: 'Metadata for terminals (RFC 8414).',
    type: json,
  },
  'GET /sign-in': { summary: 'How to sign in.', type: page, query: { return: 'Path to come back to.' } },
  'GET /sign-in/start': {
    summary: 'Leads to the provider.',
    type: page,
    status: 302,
    query: { return: 'Path to come back to.' },
  },
  'GET /sign-in/callback': {
    summary: 'Where the provider leads back to.',
    type: page,
    query: { code: 'Of it.', state: 'Of ours.' },
  },
  'GET /sign-in/session': { summary: 'Who is signed in.', type: json, role: 'reader' },
  'GET /sign-in/events': { summary: 'Says when the session is over.', type: events, role: 'reader' },
  'GET /sign-out': { summary: 'A page to sign out.', type: page },
  'POST /sign-out': action('Ends the session.', 'reader'),
  'POST /sign-in/challenge': { summary: 'A challenge for a key to sign.', type: json },
  'POST /sign-in/key': {
    summary: 'A link that signs in who has signed a challenge.',
    type: json,
    body: body({ 'sign-in': 'A `sign-in` document.', grant: 'The grant of its key.' }),
  },
  'GET /sign-in/link': { summary: 'The page of such a link.', type: page, query: { code: 'Of the link.' } },
  'POST /sign-in/link': {
    summary: 'Signs in by it.',
    type: page,
    status: 303,
    body: form({ code: 'Of the link.' }),
  },
  'GET /sign-in/device': {
    summary: 'A page to sign a terminal in.',
    type: page,
    role: 'reader',
    query: { user_code: 'That it shows.' },
  },
  'POST /sign-in/device': {
    summary: 'Begins for a terminal (RFC 8628).',
    type: json,
    body: form({ client_id: '`quorate-terminal`.' }),
  },
  'POST /sign-in/device/confirm': {
    summary: 'Signs the terminal in that shows the code.',
    type: page,
    role: 'reader',
    body: form({ ...csrf, user_code: 'That it shows.' }),
  },
  'POST /sign-in/token': {
    summary: 'The token of a terminal, once it is confirmed.',
    type: json,
    body: form({ grant_type: 'That of RFC 8628.', device_code: 'Of the terminal.' }),
  },
  'GET /sign-in/authorize': {
    summary: 'Leads back to a service with a code.',
    type: page,
    role: 'reader',
    query: { service: 'Its origin.', state: 'Of it.', challenge: 'PKCE.', here: 'Set by the page itself.' },
  },
  'POST /sign-in/exchange': {
    summary: 'A session document for such a code.',
    type: json,
    body: body({ code: 'From there.', verifier: 'PKCE.', service: 'Its origin.' }),
  },
  'POST /sign-in/renew': {
    summary: `Which of up to ${signInLimits.renewSessionsMax} sessions of a service go on.`,
    type: json,
    body: body({ service: 'Its origin.', sessions: 'Handles and ends.' }),
  },
};

const about: Readonly<Record<string, string>> = {
  run: 'Id of a run, or its first eight characters or more.',
  lease: 'Id of a lease.',
  tree: 'CID of an artifact.',
  name: 'Name of the file.',
};

const securitySchemes = {
  session: { type: 'apiKey', in: 'cookie', name: '__Host-quorate-session' },
  terminal: { type: 'http', scheme: 'bearer' },
};

/** Paths of what controllers and watchers serve besides the feed, and how people sign in there. `refused`: the answer to what is refused. */
export function siteOf(refused: object): { paths: Record<string, object>; securitySchemes: object } {
  const paths: Record<string, Record<string, object>> = {};
  for (const [route, { summary, type, status = 200, query = {}, body, role }] of Object.entries(told)) {
    const [method = '', path = ''] = route.split(' ');
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
      name,
      in: 'path',
      required: true,
      description: about[name],
      schema: text,
    }));
    const asked = Object.entries(query).map(([name, description]) => ({
      name,
      in: 'query',
      description,
      schema: text,
    }));
    const fields = Object.entries(body?.fields ?? {}).map(([name, description]) => [
      ...[name, body?.as === 'json' ? { description } : { ...text, description }],
    ]);
    const media = body?.as === 'json' ? json : 'application/x-www-form-urlencoded';
    const content = { [media]: { schema: { type: 'object', properties: Object.fromEntries(fields) } } };
    paths[path] ??= {};
    paths[path][method.toLowerCase()] = {
      summary,
      parameters: [...named, ...asked],
      ...(body !== undefined && { requestBody: { required: true, content } }),
      ...(role !== undefined && { security: [{ session: [] }, { terminal: [] }] }),
      responses: {
        [status]: { description: summary, ...(status < 300 && { content: { [type]: { schema: {} } } }) },
        default: refused,
      },
    };
  }
  return { paths, securitySchemes };
}
