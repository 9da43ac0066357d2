import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { readBundle } from '../../../src/client/commands/verification.ts';
import { encodePrivatePem, loadKey } from '../../../src/identity/keys.ts';
import { decodeTicket, encodeTicket } from '../../../src/identity/ticket.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { RememberedPeers } from '../../../src/mesh/remembered-peers.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { byPeer } from '../../../src/node/membership/join.ts';
import { readCharter } from '../../../src/owner/project-folder.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { encodeBundle } from '../../../src/protocol/documents/index.ts';
import { PackFiles, packHeader } from '../../../src/store/pack-files.ts';
import { testKey } from '../../support/project.ts';
import { mutatedBytes, mutatedJson, mutatedText } from '../arbitraries.ts';
import { project, Scratch, validTexts } from '../corpus.ts';
import { type AnyTarget, define, type Input, must } from '../target.ts';
import { smallCar } from './blocks.ts';

const invite = (): string => validTexts('invite')[0] ?? '';

/** A chat program's changes to a ticket do not change it; whatever else is pasted is none. */
const ticket = define<string>({
  name: 'ticket',
  seeds: async () => [
    encodeTicket({ invite: invite() }),
    `  "${encodeTicket({ invite: invite() })}"\n`,
    `quorate join ${encodeTicket({ invite: invite(), seed: testKey('ticket').seed })}`,
  ],
  arbitrary: (seeds) => mutatedText(seeds, ['quorate1.', 'quorate2.', 'quoratejoin', '\u200b', '\u2018']),
  run(text) {
    const ticket = decodeTicket(text);
    const again = encodeTicket(decodeTicket(encodeTicket(ticket)));
    must(again === encodeTicket(ticket), 'the ticket that was read is another');
  },
});

const addresses = define<Input[]>({
  name: 'ticket-addresses',
  seeds: async () => [[`/ip4/127.0.0.1/tcp/1/p2p/${testKey('a').id}`, '/dns4/ci.example.org/tcp/4001/p2p/x']],
  arbitrary: () =>
    fc.array(mutatedText(['/ip4/127.0.0.1/tcp/1/p2p/12D3KooW'], ['/p2p/', '/p2p-circuit']), {
      maxLength: 20,
    }),
  run(addrs) {
    const texts = addrs.map(String);
    const found = byPeer(texts).flatMap((peer) => peer.addrs);
    must(
      found.every((addr) => texts.includes(addr)),
      'an address came from nowhere',
    );
  },
});

/** A file in a folder of its own, written anew for each input and read by `read`. */
function fileTarget(
  name: string,
  file: string,
  seeds: () => Promise<readonly string[]>,
  read: (dir: string, path: string) => Promise<void>,
): AnyTarget {
  const scratch = new Scratch();
  return define<string>({
    name,
    seeds,
    arbitrary: (valid) =>
      valid.every((text) => text.startsWith('{'))
        ? fc.oneof(mutatedText(valid), mutatedJson(valid))
        : mutatedText(valid),
    async run(text) {
      const dir = await scratch.dir();
      const path = join(dir, file);
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(path, text, { mode: 0o600 });
      await read(dir, path);
    },
    close: () => scratch.close(),
  });
}

const pem = fileTarget(
  'key-file',
  'node.key',
  async () => [encodePrivatePem(testKey('a').seed)],
  async (_, path) => {
    const { seed, id } = await loadKey(path);
    must(seed.length === 32 && testKey('a').id.length === id.length, 'a key of another kind was taken');
  },
);

const charter = fileTarget(
  'charter-file',
  '.quorate/charter.jws',
  async () => validTexts('charter'),
  async (_, path) => {
    const found = await readCharter(join(path, '..'));
    must(
      found !== undefined && validTexts('charter').includes(found.raw),
      'a charter that nobody signed was taken',
    );
  },
);

const membership = {
  project: testKey('root').id,
  name: 'example',
  operator: 'ada',
  role: 'worker',
  charter: 'a.b.c',
  grant: 'a.b.c',
  controllers: [{ id: testKey('controller').id, addrs: ['/ip4/127.0.0.1/tcp/1'] }],
  bootstrap: [],
  feed: [],
};
const home = fileTarget(
  'membership-file',
  'projects/p.json',
  async () => [JSON.stringify(membership)],
  async (dir) => {
    must((await openHome(dir).memberships()).length === 1, 'one file is one membership');
  },
);

const remembered = fileTarget(
  'remembered-peers-file',
  'peers.json',
  async () => [
    JSON.stringify({
      version: 1,
      peers: [{ id: testKey('a').id, addrs: ['/ip4/127.0.0.1/tcp/1'], seen: 1, dialled: true }],
    }),
  ],
  async (_, path) => {
    let failures = 0;
    const peers = new RememberedPeers(path, () => {
      failures += 1;
    });
    const list = peers.list();
    await peers.close();
    must(failures === 0 || list.length === 0, 'part of a damaged file was taken');
    must(list.length <= meshLimits.rememberedMax, 'more peers than are kept');
    // A cache that cannot be read is counted and forgotten; for this list that is to be refused.
    if (failures > 0) throw new QuorateError('HOME_DAMAGED', 'the file of peers cannot be read');
  },
);

const bundle = fileTarget(
  'bundle-file',
  'tool.bundle',
  async () => [encodeBundle((await project()).bundle)],
  async (_, path) => {
    await readBundle(path);
  },
);

/** Packs are ours, but a crash may leave any part of them, and blocks are whatever strangers sent. */
const packScratch = new Scratch();
const pack = define<Uint8Array>({
  name: 'pack-file',
  async seeds() {
    const { sections } = await smallCar();
    return [new Uint8Array(Buffer.concat([packHeader, ...sections])), packHeader];
  },
  arbitrary: mutatedBytes,
  async run(bytes) {
    const dir = await packScratch.dir();
    const files = new PackFiles(dir);
    await writeFile(files.path(1), bytes);
    let reached = packHeader.length;
    for await (const { at, size } of files.scan(1)) {
      must(at >= reached && at + size <= bytes.length, 'a section reaches outside of its file');
      reached = at + size;
    }
    await files.close();
  },
  close: () => packScratch.close(),
});

export const targets: readonly AnyTarget[] = [
  ticket,
  addresses,
  pem,
  charter,
  home,
  remembered,
  bundle,
  pack,
];
