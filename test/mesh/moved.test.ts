import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folder, node, until } from './harness.ts';

test('a first peer that has moved is dialled where it was seen last, after a restart too', async () => {
  const first = { key: randomBytes(32) };
  const own = { key: randomBytes(32), peersFile: join(folder(), 'peers.json') };
  const before = await node(first);
  const told = before.addresses();
  const member = await node({ ...own, bootstrap: told });
  await until('the first connection', () => member.connected().includes(before.id));
  await before.close();

  // It comes back elsewhere, and it is the one to call.
  const moved = await node({ ...first, bootstrap: member.addresses() });
  expect(moved.addresses()).not.toEqual(told);
  await until('the second connection', () => member.connected().includes(moved.id));
  await until('its new address', async () => {
    const file = await readFile(own.peersFile, 'utf8').catch(() => '');
    return moved.addresses().some((address) => file.includes(address));
  });
  await member.close();

  const again = await node({ ...own, bootstrap: told });
  await until('the third connection', () => again.connected().includes(moved.id));
});
