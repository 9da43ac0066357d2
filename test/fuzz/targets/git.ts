import { Duplex } from 'node:stream';
import { codeOf, QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { fetchPack, NoPack, packet, packetsOf } from '../../../src/source/fetch-pack.ts';
import { parseGitUrl } from '../../../src/source/index.ts';
import { mutatedBytes } from '../arbitraries.ts';
import { cuts } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';

const head = `${packet('version 2\n')}${packet('agent=x\n')}0000`;
const shallow = `${packet('shallow-info\n')}${packet(`shallow ${'a'.repeat(40)}`)}0001`;
const pack = `${packet('packfile\n')}${packet('\x02counting')}${packet('\x01PACK')}${packet('\x01more')}0000`;

/** A server that answers with these pieces, whatever it is asked. */
function answering(pieces: readonly Uint8Array[]): Duplex {
  const left = [...pieces];
  return new Duplex({
    read() {
      this.push(left.shift() ?? null);
    },
    write: (_chunk, _encoding, done) => done(),
  });
}

/** The pack that a server's answer holds, or how it ends without one. */
async function taken(pieces: readonly Uint8Array[]): Promise<{ said: string; error?: QuorateError }> {
  const parts: Buffer[] = [];
  const server = answering(pieces);
  try {
    const asked = {
      url: parseGitUrl('git://git.example/x'),
      commit: 'a'.repeat(40),
      connect: async () => server,
      signal: new AbortController().signal,
      onLife: () => {},
    };
    for await (const part of fetchPack(asked)) parts.push(part);
    return { said: Buffer.concat(parts).toString('hex') };
  } catch (error) {
    if (error instanceof NoPack) {
      must(parts.length === 0, 'there was a pack, and then there was none');
      return { said: 'none', error: new QuorateError('SOURCE_FAILED', error.message) };
    }
    if (!(error instanceof QuorateError)) throw error;
    return { said: `${Buffer.concat(parts).toString('hex')} ${codeOf(error)}`, error };
  } finally {
    must(server.destroyed, 'the connection is left open');
  }
}

const answer = define<Uint8Array>({
  name: 'git-pack-answer',
  seeds: async () => [toUtf8(head + shallow + pack), toUtf8(head + pack)],
  arbitrary: mutatedBytes,
  async run(bytes) {
    const found = await Promise.all(cuts(bytes).map(taken));
    const said = new Set(found.map((one) => one.said));
    must(said.size === 1, `other pieces, another outcome: ${[...said].join(' / ')}`);
    if (found[0]?.error !== undefined) throw found[0].error;
  },
});

const packets = define<Uint8Array>({
  name: 'git-packets',
  seeds: async () => [toUtf8(head + shallow + pack)],
  arbitrary: mutatedBytes,
  async run(bytes) {
    async function* stream(): AsyncGenerator<Buffer> {
      yield Buffer.from(bytes);
    }
    let again = 0;
    try {
      for await (const one of packetsOf(stream())) again += Buffer.isBuffer(one) ? one.length + 4 : 4;
    } catch (error) {
      must(error instanceof Error && /^(bad line length|unexpected end)/.test(error.message), String(error));
      throw new QuorateError('SOURCE_SERVER_ERROR', error.message);
    }
    must(again === bytes.length, 'bytes were passed over');
  },
});

export const targets: readonly AnyTarget[] = [answer, packets];
