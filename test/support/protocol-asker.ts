// A stranger that asks a node, in a process of its own; see `measurePrices`.
import { randomBytes } from 'node:crypto';
import { openMesh } from '../../src/mesh/index.ts';
import { askOnce } from './protocol-prices.ts';

const server = JSON.parse(process.argv[2] ?? '');
const mesh = openMesh({ key: randomBytes(32), listen: [], bootstrap: [], topics: [], role: 'node' });

process.on('disconnect', () => process.exit());
process.on(
  'message',
  async ({ protocol, message, times }: { protocol: string; message: string; times: number }) => {
    const client = await mesh;
    for (let n = 0; n < times; n++)
      await askOnce(client, server, { protocol, request: '', message: Buffer.from(message, 'base64') });
    process.send?.('done');
  },
);
