import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Hono } from 'hono';
import { answerWith } from './answer.ts';
import { Packed, packedBody } from './compress.ts';
import type { HttpEnv } from './env.ts';
import { notFound } from './errors.ts';

/** Beside this file, and in a package beside the program. */
const folder = new URL('./static/', import.meta.url);
const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

interface StaticFile {
  url: string;
  type: string;
  hash: string;
  packed: Packed;
}

let read: ReadonlyMap<string, StaticFile> | undefined;

/** By name. Read once: they are part of the program. */
function files(): ReadonlyMap<string, StaticFile> {
  read ??= new Map(
    readdirSync(folder).map((name): [string, StaticFile] => {
      const [stem = '', ending = ''] = name.split('.');
      const type = types[ending] ?? 'application/octet-stream';
      const body = Uint8Array.from(readFileSync(new URL(name, folder)));
      const hash = createHash('sha256').update(body).digest('hex').slice(0, 12);
      return [name, { url: `/static/${stem}.${hash}.${ending}`, type, hash, packed: new Packed(body) }];
    }),
  );
  return read;
}

/** URL of a file of `static/`: with its hash, so that it may be kept for ever. */
export function staticUrl(name: string): string {
  const file = files().get(name);
  if (file === undefined) throw new Error(`there is no static file ${name}`);
  return file.url;
}

export function staticApp(): Hono<HttpEnv> {
  const byUrl = new Map([...files().values()].map((file) => [file.url, file]));
  return new Hono<HttpEnv>().get('/static/:name', async (c) => {
    const file = byUrl.get(c.req.path);
    if (file === undefined) throw notFound('no such file');
    const { type, hash, packed } = file;
    const bytes = await packedBody(c, packed, hash);
    return answerWith(c, { ...bytes, type, cache: 'public, max-age=31536000, immutable' }, () => {});
  });
}
