import { z } from 'zod';
import { bundleSchema } from '../protocol/documents/bundle.ts';
import {
  checkpointNoticeSchema,
  feedCharterSchema,
  feedOffersSchema,
  feedVerdictsSchema,
  revocationListSchema,
} from '../protocol/wire/messages.ts';
import type { feedLists } from './feed.ts';

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
const etag = { description: 'Strong validator: equal etags mean equal bytes.', schema: text() };
const inJson = (schema: object) => ({ 'application/json': { schema } });
const asBytes = (type: string) => ({ [type]: { schema: {} } });

const refused = (description: string) => ({ description, content: inJson(problem) });
const refusals = {
  '304': { description: 'What `If-None-Match` names is still the answer.', headers: { etag } },
  '404': refused('There is no such path, or nothing there yet.'),
  '405': refused('There is nothing here but to read: GET and HEAD.'),
  '413': refused('A request here has no body.'),
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
  ...{ name, in: where, required: true, description, schema },
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

/** The HTTP API of a controller (`quorate controller --http`) as OpenAPI 3.1. The build makes openapi.json from it. */
export function openApi(version: string): object {
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
        'What a controller shows to anybody, to read only. Everything proves itself by its signatures or its hash: no answer is to be believed for where it comes from. The path and the query of a request are compared as they are sent; any other is not found.',
      license: { name: 'Apache-2.0 OR MIT', identifier: 'Apache-2.0 OR MIT' },
    },
    paths: {
      ...Object.fromEntries(ofLists),
      '/v1/{project}/bundle/{which}': get(
        'All documents that `quorate verify` needs for one verdict.',
        inJson(schemaOf(bundleSchema)),
        { parameters: [project, which] },
      ),
      '/ipfs/{cid}': get(
        'A public tree as one CAR, or one block (IPFS trustless gateway).',
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
