import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import { bundleSchema } from '../protocol/documents/bundle.ts';
import {
  checkpointNoticeSchema,
  feedCharterSchema,
  feedOffersSchema,
  feedVerdictsSchema,
  revocationListSchema,
} from '../protocol/wire/messages.ts';
import { answerWith, revalidate } from './answer.ts';
import { Packed, packedBody } from './compress.ts';
import type { HttpEnv } from './env.ts';
import type { feedLists } from './feed.ts';
import { siteOf } from './openapi-site.ts';

interface OpenApi {
  paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  [member: string]: unknown;
}

const lists: Record<(typeof feedLists)[number], { summary: string; schema: z.ZodType }> = {
  charter: { summary: 'The charter in force, a compact JWS.', schema: feedCharterSchema },
  checkpoint: {
    summary: 'The current checkpoint of the log, a signed note, with its witnesses.',
    schema: checkpointNoticeSchema,
  },
  offers: {
    summary: 'Open offers, oldest first, with all that is needed to judge them.',
    schema: feedOffersSchema,
  },
  revocations: {
    summary:
      'The revocations that count, those of the root first, and evidence against the log; `next` where more follow.',
    schema: revocationListSchema,
  },
  verdicts: {
    summary: 'The latest verdicts, newest first: hints, whose bundles are the proof.',
    schema: feedVerdictsSchema,
  },
};

const text = (pattern?: string) => ({ type: 'string', ...(pattern !== undefined && { pattern }) });
const object = (properties: object) => ({ type: 'object', required: Object.keys(properties), properties });
const problem = object({ error: object({ code: text('^[A-Z][A-Z0-9_]{1,60}$'), message: text() }) });
const etag = {
  description: 'Equal etags mean equal bytes; weak for what was compressed on the way.',
  schema: text(),
};
const inJson = (schema: object) => ({ 'application/json': { schema } });
const asBytes = (type: string) => ({ [type]: { schema: {} } });

const refused = (description: string) => ({ description, content: inJson(problem) });
const refusals = {
  '206': { description: 'The part that `Range` names, of an answer of a known size.', headers: { etag } },
  '304': { description: 'What `If-None-Match` names is still the answer.', headers: { etag } },
  '404': refused('There is no such path, or nothing there yet.'),
  '405': refused('There is nothing here but to read: GET and HEAD.'),
  '413': refused('A request here has no body.'),
  '416': { description: 'There is nothing of it in that range.', headers: { etag } },
  '421': refused('The server does not have the name that was asked for.'),
  '429': refused('Too many requests from this address; `Retry-After` says when to try again.'),
  '503': refused('Too many bundles or trees are being sent, or a bundle is damaged; try again later.'),
};

function get(
  summary: string,
  content: object,
  more: { headers?: object; parameters?: object[] } = {},
): object {
  const { headers = {}, parameters = [] } = more;
  return {
    get: {
      summary,
      parameters,
      responses: { '200': { description: summary, headers: { etag, ...headers }, content }, ...refusals },
    },
  };
}

const parameter = (where: 'path' | 'query', name: string, description: string, schema: object) => ({
  name,
  in: where,
  required: true,
  description,
  schema,
});
const project = parameter('path', 'project', 'PeerId of the root key.', text('^[A-Za-z0-9]{40,64}$'));
const level = {
  description: 'How much the artifact is worth, for people: its bundle is the proof.',
  schema: { enum: ['trusted', 'agreed', 'revoked', 'none'] },
};

/** Without the `$schema` of its own, which an OpenAPI document has once. */
function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return json;
}

/** The HTTP API of controllers (`quorate controller --http`) and watchers as OpenAPI 3.1. The build makes openapi.json from it. */
export function openApi(version: string): OpenApi {
  const site = siteOf(refused('It is refused; also a page, for a browser.'));
  const ofLists = Object.entries(lists).map(([name, { summary, schema }]) => {
    const description = 'Only those that follow this one, by its id.';
    const after = { name: 'after', in: 'query', description, schema: text('^[0-9a-f]{64}$') };
    const parameters = name === 'offers' || name === 'revocations' ? [project, after] : [project];
    return [`/v1/{project}/${name}`, get(summary, inJson(schemaOf(schema)), { parameters })];
  });
  const [about, bytes] = [
    'Id of a run, or CID of a job or an artifact.',
    '`car`: the whole tree; `raw`: one block.',
  ];
  const which = parameter('path', 'which', about, text('^[a-z0-9]{10,100}$'));
  const format = parameter('query', 'format', bytes, { enum: ['car', 'raw'] });
  const cid = parameter('path', 'cid', 'Of the root, or of the block.', text('^[a-z2-7]{50,100}$'));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Quorate',
      version,
      description:
        'Below `/v1/` and `/ipfs/`: what a controller shows to anybody, to read only. All of that proves itself by its signatures or its hash: no answer is to be believed for where it comes from. Its path and query are compared as they are sent; any other is not found. The rest are pages, downloads and signing in, which are as good as the server.',
      license: { name: 'Apache-2.0 OR MIT', identifier: 'Apache-2.0 OR MIT' },
    },
    components: { securitySchemes: site.securitySchemes },
    paths: {
      ...site.paths,
      ...Object.fromEntries(ofLists),
      '/v1/{project}/bundle/{which}': get(
        'All documents that `quorate verify` needs for one verdict.',
        inJson(schemaOf(bundleSchema)),
        { parameters: [project, which] },
      ),
      '/ipfs/{cid}': get(
        'A tree of a verdict or dispute that stands, as one CAR, or a block of one: the first, or one below a block that was sent (IPFS trustless gateway).',
        { ...asBytes('application/vnd.ipld.car'), ...asBytes('application/vnd.ipld.raw') },
        {
          headers: {
            'quorate-level': level,
            'content-disposition': { description: 'Always a download.', schema: text() },
          },
          parameters: [cid, format],
        },
      ),
    },
  };
}

/** Whether a route of hono answers an operation of the document. */
export const answers = (route: { method: string; path: string }, method: string, path: string): boolean => {
  const pattern = route.path
    .replace(/\./g, '\\.')
    .replace(/:\w+|\*$/g, (part) => (part === '*' ? '.*' : '[^/]+'));
  return route.method === method.toUpperCase() && new RegExp(`^${pattern}$`).test(path);
};

/** `GET /openapi.json`: what this server serves. `routes` is asked once, when all are there. */
export function openApiApp(
  version: string,
  routes: () => readonly { method: string; path: string }[],
): Hono<HttpEnv> {
  let made: { packed: Packed; hash: string } | undefined;
  return new Hono<HttpEnv>().get('/openapi.json', async (c) => {
    if (made === undefined) {
      const whole = openApi(version);
      const served = routes();
      const paths = Object.entries(whole.paths).flatMap(([path, operations]) => {
        const own = Object.entries(operations).filter(([method]) =>
          served.some((route) => answers(route, method, path)),
        );
        return own.length === 0 ? [] : [[path, Object.fromEntries(own)]];
      });
      const bytes = Uint8Array.from(
        Buffer.from(`${JSON.stringify({ ...whole, paths: Object.fromEntries(paths) }, null, 1)}\n`),
      );
      made = {
        packed: new Packed(bytes),
        hash: createHash('sha256').update(bytes).digest('hex').slice(0, 32),
      };
    }
    const bytes = await packedBody(c, made.packed, made.hash);
    return answerWith(c, { ...bytes, type: 'application/json; charset=utf-8', cache: revalidate }, () => {});
  });
}
