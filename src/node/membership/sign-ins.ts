import { join } from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from '../files.ts';

/** Services that a home folder is signed in at; more are forgotten, the oldest first. */
const signInsMax = 50;

const listSchema = z
  .array(z.strictObject({ origin: z.string().max(300), token: z.string().max(100) }))
  .max(signInsMax);
/** Before there were checksums the file was the list alone. */
const signInsSchema = z.union([
  listSchema,
  z.strictObject({ signIns: listSchema }).transform(({ signIns }) => signIns),
]);

const fileOf = (dir: string) => join(dir, 'sign-ins.json');

const load = async (dir: string) =>
  (await readJson(fileOf(dir), signInsSchema, 'Remove it and sign in again: quorate login')) ?? [];

/** The token by which a terminal is signed in at a service; undefined where it is not. @throws HOME_… */
export async function signInToken(dir: string, origin: string): Promise<string | undefined> {
  return (await load(dir)).find((one) => one.origin === origin)?.token;
}

/** Keeps a token in the home folder, readable by its owner only. @throws HOME_… */
export async function saveSignIn(dir: string, origin: string, token: string): Promise<void> {
  const others = (await load(dir)).filter((one) => one.origin !== origin);
  await writeJson(fileOf(dir), { signIns: [...others.slice(1 - signInsMax), { origin, token }] });
}
