import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { VerifyPage } from './app.ts';

/** Beside the program in a package; a checkout makes it from its sources. */
const packaged = new URL('./verify.html', import.meta.url);
const maker = new URL('../../../scripts/verify-page.js', import.meta.url);

const hint = 'Make it in the checkout: npm run build';

/** The page that verifies in a browser, as one HTML file. It is read, or made, once. @throws VERIFY_PAGE_MISSING */
export const verifyPage = pageOf(() => (existsSync(packaged) ? readFile(packaged) : makePage()));

/** The page whose file is read so, until that has succeeded once. */
export function pageOf(read: () => Promise<Buffer>): () => Promise<VerifyPage> {
  let made: Promise<VerifyPage> | undefined;
  return () => {
    made ??= readPage(read).catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

async function readPage(read: () => Promise<Buffer>): Promise<VerifyPage> {
  const html = await read().catch((cause: unknown) => {
    throw new QuorateError('VERIFY_PAGE_MISSING', 'there is no page beside the program', { hint, cause });
  });
  const policy = /http-equiv="content-security-policy" content="([^"]+)"/.exec(html.toString('utf8'))?.[1];
  if (policy !== undefined) return { html, policy };
  throw new QuorateError('VERIFY_PAGE_MISSING', 'the page states no policy', { hint });
}

async function makePage(): Promise<Buffer> {
  const { makeVerifyPage }: { makeVerifyPage: () => Promise<string> } = await import(maker.href);
  return Buffer.from(await makeVerifyPage());
}
