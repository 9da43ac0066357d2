import { z } from 'zod';
import { NoAnswer, shown } from './get.ts';

/** A sparse index says where its crates are (Cargo book, Registry Index, index configuration). */
const cargoIndexConfig = z.object({ dl: z.string().min(1).max(2_000) });

/** Of a package's list of files (PEP 691). */
const pypiList = z.object({
  files: z.array(
    z.object({ filename: z.string(), url: z.string(), hashes: z.record(z.string(), z.string()) }),
  ),
});

/** Where crates are, by the `config.json` of an index: an address, or one with markers. Throws `NoAnswer`. */
export function decodeCrateIndex(text: string, where: string): string {
  const { dl } = parsed(cargoIndexConfig, text, where);
  if (!/^https?:\/\/\S+$/.test(dl) || !URL.canParse(dl.replace(/\{[a-z0-9-]+\}/g, 'x')))
    throw unexpected(where);
  return dl;
}

/** Files of a package with their sha256 in hexadecimal; addresses are relative to `where`. Throws `NoAnswer`. */
export function decodeFileList(text: string, where: string): { url: string; sha256: string }[] {
  return parsed(pypiList, text, where).files.flatMap(({ url, hashes: { sha256 } }) => {
    const whole = URL.parse(url, where);
    // It may become a line of quorate.lock, and of a terminal.
    const isHash = sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256);
    return isWeb(whole) && isHash ? [{ url: whole.href, sha256 }] : [];
  });
}

const isWeb = (url: URL | null): url is URL => url !== null && ['http:', 'https:'].includes(url.protocol);

function parsed<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NoAnswer(`${shown(where)} answered with no JSON`, { status: 200 });
  }
  const result = schema.safeParse(value);
  if (!result.success) throw unexpected(where);
  return result.data;
}

const unexpected = (where: string): NoAnswer =>
  new NoAnswer(`${shown(where)} answered with another list than expected`, { status: 200 });
