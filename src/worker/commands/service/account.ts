import { execFile } from 'node:child_process';
import { lchown, lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { QuorateError } from '../../../protocol/base/errors.ts';
import { shellWord } from '../../../protocol/base/shell-word.ts';
import { serviceUser } from './unit.ts';

const exec = promisify(execFile);
const programMsMax = 10_000;

/** The account that the system service runs as. */
export interface Account {
  uid: number;
  gid: number;
  /** Whether it was created now. */
  made: boolean;
}

/** Creates the account unless it exists. @throws `SERVICE_FAILED`. */
export async function makeAccount(home: string): Promise<Account> {
  const known = await find();
  if (known !== undefined) return { ...known, made: false };
  const args = ['--system', '--home-dir', home, '--no-create-home', '--shell', '/usr/sbin/nologin'];
  try {
    await exec('useradd', [...args, serviceUser], { timeout: programMsMax });
  } catch (cause) {
    throw new QuorateError('SERVICE_FAILED', `cannot create the account "${serviceUser}"`, {
      hint: `Create it, then try again: useradd ${args.join(' ')} ${serviceUser}`,
      cause,
    });
  }
  const made = await find();
  if (made !== undefined) return { ...made, made: true };
  throw new QuorateError('SERVICE_FAILED', `the account "${serviceUser}" was created but does not exist`);
}

async function find(): Promise<{ uid: number; gid: number } | undefined> {
  const asked = exec('getent', ['passwd', serviceUser], { timeout: programMsMax });
  const { stdout } = await asked.catch(() => ({ stdout: '' }));
  const [, , uid, gid] = stdout.split(':');
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** Creates the home folder; one of root, which may hold a key already, is handed over with all entries. @throws SERVICE_FAILED */
export async function homeFor({ uid, gid }: Pick<Account, 'uid' | 'gid'>, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { uid: owner } = await lstat(dir);
  if (owner === uid) return;
  if (owner !== 0) {
    throw new QuorateError('SERVICE_FAILED', `${dir} belongs to another account (uid ${owner})`, {
      hint: `Name another folder: --home <folder>; or hand it over: chown -R ${serviceUser} ${shellWord(dir)}`,
    });
  }
  // lchown: changes links, not their targets.
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
    await lchown(join(entry.parentPath, entry.name), uid, gid);
  await lchown(dir, uid, gid);
}

/** Runs work with the rights of the account. Work of root in a folder of another user could be redirected by a link. */
export async function asAccount<T>(account: Account | undefined, work: () => Promise<T>): Promise<T> {
  const { setegid, seteuid, setgroups, getgroups } = process;
  if (account === undefined || !setegid || !seteuid || !setgroups || !getgroups) return work();
  const groups = getgroups.call(process);
  setgroups.call(process, [account.gid]);
  setegid.call(process, account.gid);
  seteuid.call(process, account.uid);
  try {
    return await work();
  } finally {
    seteuid.call(process, 0);
    setegid.call(process, 0);
    setgroups.call(process, groups);
  }
}
