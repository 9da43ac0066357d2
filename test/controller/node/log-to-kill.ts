import { openLogFiles } from '../../../src/controller/node/log-files.ts';

/** Begins to replace the log of a lease in a folder, and is killed by SIGKILL before the end. */
const [dir = '', lease = ''] = process.argv.slice(2);

async function* said(): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < 20_000; n++) yield Buffer.from('a line\n');
  process.kill(process.pid, 'SIGKILL');
}

await openLogFiles(dir).replace(lease, said());
