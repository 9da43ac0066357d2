import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { QuorateError } from '../../core/errors.ts';
import type { VerifyPage } from './app.ts';

/** Beside the program in a package; a checkout makes it from its sources. */
const packaged = new URL('./verify.html', import.meta.url);
const maker = new URL('../../../scripts/verify-page.js', import.meta.url);

let made: Promise<VerifyPage> | undefined;

/** The page that verifies in a browser, as one HTML file. It is read, or made, once. @throws VERIFY_PAGE_MISSING */
export function verifyPage(): Promise<VerifyPage> {
  made ??= readPage().catch((error: unknown) => {
    made = undefined;
    throw error;
  });
  return made;
}

async function readPage(): Promise<VerifyPage> {
  const html = existsSync(packaged) ? await readFile(packaged) : await makePage();
  const policy = /http-equiv="content-security-policy" content="([^"]+)"/.exec(html.toString('utf8'))?.[1];
  if (policy !== undefined) return { html, policy };
  throw new QuorateError('VERIFY_PAGE_MISSING', 'the page states no policy', { hint });
}

const hint = 'Make it in the checkout: npm run build';

async function makePage(): Promise<Buffer> {
  try {
    const { makeVerifyPage }: { makeVerifyPage: () => Promise<string> } = await import(maker.href);
    return Buffer.from(await makeVerifyPage());
  } catch (cause) {
    throw new QuorateError('VERIFY_PAGE_MISSING', 'there is no page beside the program', { hint, cause });
  }
}
