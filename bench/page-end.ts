// Browsers that follow a live log, in a process of their own.
import { request } from 'node:http';
import { answer } from './run.ts';

const seen: { lines: number }[] = [];
/** Addresses: a server bounds the followers of each. */
const perAddress = 40;

/** Resolves once all of them are connected. */
async function follow(port: number, path: string, count: number): Promise<void> {
  await Promise.all(
    Array.from(
      { length: count },
      (_, n) =>
        new Promise<void>((resolve, reject) => {
          const one = { lines: 0 };
          seen.push(one);
          const localAddress = `127.0.1.${1 + Math.floor(n / perAddress)}`;
          const asked = request({ host: '127.0.0.1', port, path, localAddress, agent: false }, (response) => {
            if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
            response.on('data', (bytes: Buffer) => {
              one.lines += bytes.toString('latin1').split('<div id=').length - 1;
            });
            resolve();
          });
          asked.on('error', reject);
          asked.end();
        }),
    ),
  );
}

answer({
  follow,
  got: () => ({ followers: seen.length, lines: Math.min(...seen.map(({ lines }) => lines)) }),
});
