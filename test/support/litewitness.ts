import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';

const exec = promisify(execFile);
const startMsMax = 60_000;

/**
 * Debian's witness, in a process of its own, with a key of its own. Debian's 0.4.3-3 judges what it is shown and then panics
 * where it stores it, before it signs (a hash is bound to SQL as an array that its library cannot address): its connection
 * breaks off for a checkpoint that it takes, and `signed` stores in its place.
 */
export interface Litewitness {
  url: string;
  /** Its verifier key, as it says it. */
  key: string;
  /** Has it know a log: its origin, and the verifier key of its log. */
  addLog(origin: string, key: string): Promise<void>;
  /** Stores this size and root (hexadecimal) of a log as if it had signed them. */
  signed(origin: string, size: number, root: string): void;
  /** Text of its standard error. */
  said(): string;
}

/** It says that it listens before it does. */
async function answers(port: number): Promise<void> {
  for (const limit = Date.now() + startMsMax; ; ) {
    const socket = connect(port, '127.0.0.1');
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    if (Date.now() > limit) throw new Error(`litewitness does not listen on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ends with the test. `name`: of the witness, in its key. */
export async function startLitewitness(name: string): Promise<Litewitness> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-witness-'));
  const [socket, keyFile, db] = [join(dir, 'agent'), join(dir, 'key'), join(dir, 'db')];
  const children: ChildProcess[] = [];
  const stopped = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  };
  onTestFinished(async () => {
    for (const child of children.reverse()) await stopped(child);
    await rm(dir, { recursive: true, force: true });
  });
  const env = { PATH: process.env.PATH, HOME: dir, SSH_AUTH_SOCK: socket };
  await exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile], { env });
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(agent);
  await once(agent.stdout, 'data');
  await exec('ssh-add', ['-q', keyFile], { env });
  const { stdout } = await exec('ssh-keygen', ['-l', '-f', `${keyFile}.pub`], { env });
  const [, fingerprint = ''] = stdout.split(' ');
  const port = await freePort();
  const witnessctl = (...args: string[]) => exec('witnessctl', [...args, '-db', db], { env });
  const child = spawn(
    'litewitness',
    ['-db', db, '-name', name, '-key', fingerprint, '-ssh-agent', socket, '-listen', `127.0.0.1:${port}`],
    // Debian's build is of so old a Go module that its server would not match a method in a route.
    { env: { ...env, GODEBUG: 'httpmuxgo121=0' }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(child);
  const said: string[] = [];
  const timer = setTimeout(() => child.kill(), startMsMax);
  // Read to the end: a Go program ends where its standard error is closed.
  const lines = createInterface({ input: child.stderr });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      said.push(line);
      if (/msg=listening/.test(line)) resolve();
    });
    child.once('exit', () => reject(new Error(`litewitness did not start:\n${said.join('\n')}`)));
  }).finally(() => clearTimeout(timer));
  await answers(port);
  return {
    url: `http://127.0.0.1:${port}`,
    key: /vkey=(\S+)/.exec(said.join('\n'))?.[1] ?? '',
    async addLog(origin, logKey) {
      await witnessctl('add-log', '-origin', origin);
      await witnessctl('add-key', '-origin', origin, '-key', logKey);
    },
    signed(origin, size, root) {
      const database = new DatabaseSync(db);
      const hash = Buffer.from(root, 'hex').toString('base64');
      database
        .prepare('UPDATE log SET tree_size = ?, tree_hash = ? WHERE origin = ?')
        .run(size, hash, origin);
      database.close();
    },
    said: () => said.join('\n'),
  };
}
