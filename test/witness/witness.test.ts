import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { formatNoteKey, noteKinds } from '../../src/protocol/documents/index.ts';
import { MerkleTree, openNamedWitnesses, originOf } from '../../src/protocol/transparency/index.ts';
import { addCheckpoint } from '../../src/witness/http-witness.ts';
import { HttpWitness } from '../../src/witness/index.ts';
import { startLitewitness } from '../support/litewitness.ts';
import { log, noteOf, project, testKey } from '../support/project.ts';
import { SpecifiedWitness } from '../support/specified-witness.ts';

const code = (value: string) => expect.objectContaining({ code: value });
const treeOf = (size: number, name = 'leaf') =>
  new MerkleTree(Array.from({ length: size }, (_, index) => `${name} ${index}`));
const key = formatNoteKey('w.example', noteKinds.cosignature, testKey('w').id);
const never = new AbortController().signal;

/** A question to the witness: the next checkpoint of this log. */
async function asked(tree: MerkleTree, timeoutMs = 30_000) {
  return {
    note: await noteOf(tree),
    size: tree.size,
    prove: (old: number) => tree.consistency(old),
    timeoutMs,
  };
}

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

const witnessAt = (url: string, vkey = key) =>
  new HttpWitness({ key: vkey, url, verifier: joseVerifier, closing: never });

describe('a server in place of a witness', () => {
  it.each<[string, string, number, string]>([
    ['does not sign', 'WITNESS_REFUSED', 403, 'no\n'],
    ['does not know the log', 'WITNESS_REFUSED', 404, 'no\n'],
    ['refuses the proof', 'WITNESS_PROOF_REFUSED', 422, 'no\n'],
    ['fails', 'WITNESS_UNREACHABLE', 500, 'no\n'],
    ['says nothing', 'WITNESS_ANSWER_INVALID', 200, ''],
    ['gives no signature line', 'WITNESS_ANSWER_INVALID', 200, 'hello\n'],
    ['gives a line without an end', 'WITNESS_ANSWER_INVALID', 200, '— w.example AAAAAAAA'],
    ["gives another's line", 'WITNESS_ANSWER_INVALID', 200, '— v.example AAAAAAAA\n'],
    ['says no size', 'WITNESS_ANSWER_INVALID', 409, 'later\n'],
    ['knows a longer log', 'WITNESS_CONFLICT', 409, '9\n'],
    ['sends without end', 'WITNESS_ANSWER_INVALID', 200, '— w.example AAAAAAAA\n'.repeat(1000)],
  ])('%s: %s', async (_what, refused, status, text) => {
    const url = await serve((_request, response) => response.writeHead(status).end(text));
    await expect(witnessAt(url).ask(await asked(treeOf(3)))).rejects.toEqual(code(refused));
  });

  it('leads elsewhere: that is not followed', async () => {
    let led = 0;
    const elsewhere = await serve((_request, response) => {
      led++;
      response.writeHead(200).end();
    });
    const url = await serve((_request, response) =>
      response.writeHead(307, { location: `${elsewhere}/add-checkpoint` }).end(),
    );
    await expect(witnessAt(url).ask(await asked(treeOf(3)))).rejects.toEqual(code('WITNESS_UNREACHABLE'));
    expect(led).toBe(0);
  });

  it('never answers: it is not waited for longer than was said', async () => {
    const url = await serve(() => {});
    await expect(witnessAt(url).ask(await asked(treeOf(3), 50))).rejects.toEqual(code('WITNESS_UNREACHABLE'));
  });

  it('is not there', async () => {
    await expect(witnessAt('http://127.0.0.1:9').ask(await asked(treeOf(3)))).rejects.toEqual(
      code('WITNESS_UNREACHABLE'),
    );
  });

  it('is asked as the specification says, below the path of its URL', async () => {
    const seen: string[] = [];
    const url = await serve(async (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      for await (const chunk of request) seen.push(String(chunk));
      response.writeHead(403).end();
    });
    const tree = treeOf(3);
    const note = await noteOf(tree);
    const proof = tree.consistency(2);
    const question = { url: `${url}/prefix/`, note, oldSize: 2, proof, signal: never };
    await expect(addCheckpoint(question)).rejects.toEqual(code('WITNESS_REFUSED'));
    const base64 = proof.map((hash) => `${Buffer.from(hash, 'hex').toString('base64')}\n`);
    expect(seen).toEqual(['POST /prefix/add-checkpoint', `old 2\n${base64.join('')}\n${note}`]);
  });
});

/** A witness as the specification has it, in this process. */
async function specified(name: string) {
  const known = new SpecifiedWitness(name, testKey(name));
  const url = await serve((request, response) => void known.answer(request, response));
  known.addLog(project, log.id);
  return { known, url, witness: () => witnessAt(url, known.key) };
}

describe('a witness that keeps to the specification', () => {
  it('signs a log that grows, and what it signs is found by its key', async () => {
    const { known, witness } = await specified('witness.example/w1');
    const asks = witness();
    for (const size of [3, 7, 7, 20]) {
      const question = await asked(treeOf(size));
      const before = Math.floor(Date.now() / 1000);
      const note = question.note + (await asks.ask(question)).join('');
      const [found, ...more] = await openNamedWitnesses(note, [known.key], joseVerifier);
      expect([found?.name, more]).toEqual(['witness.example/w1', []]);
      expect(found?.time).toBeGreaterThanOrEqual(before);
      expect(found?.time).toBeLessThanOrEqual(Date.now() / 1000);
    }
    // A new life asks from the beginning, and is told which size the witness signed.
    expect(await witness().ask(await asked(treeOf(21)))).toHaveLength(1);
  });

  it.each([
    ['as long as what it signed', 20, 'WITNESS_PROOF_REFUSED'],
    ['longer', 25, 'WITNESS_PROOF_REFUSED'],
    ['shorter', 15, 'WITNESS_CONFLICT'],
  ])('signs no other history of the log, %s', async (_what, size, refused) => {
    const { witness } = await specified('witness.example/w1');
    const asks = witness();
    await asks.ask(await asked(treeOf(20)));
    const forked = await asked(treeOf(size, 'other'));
    await expect(asks.ask(forked)).rejects.toEqual(code(refused));
    await expect(witness().ask(forked)).rejects.toEqual(code(refused));
    expect(await asks.ask(await asked(treeOf(25)))).toHaveLength(1);
  });

  it('is not believed where the line is by another key', async () => {
    const { url } = await specified('w.example');
    const other = formatNoteKey('w.example', noteKinds.cosignature, testKey('other').id);
    await expect(witnessAt(url, other).ask(await asked(treeOf(3)))).rejects.toEqual(
      code('WITNESS_ANSWER_INVALID'),
    );
  });
});

describe("Debian's litewitness", () => {
  const logKey = formatNoteKey(originOf(project), noteKinds.ed25519, log.id);

  async function started() {
    const debian = await startLitewitness('witness.example/w1');
    await debian.addLog(originOf(project), logKey);
    return debian;
  }

  it.each([
    ['the first checkpoint that it sees', 0],
    ['one that goes on from what it signed', 7],
    ['one that it signed', 20],
  ])('takes %s', async (_what, before) => {
    const debian = await started();
    if (before > 0) debian.signed(originOf(project), before, treeOf(before).root());
    const taken = witnessAt(debian.url, debian.key).ask(await asked(treeOf(20)));
    // It has judged it by then, and breaks where it stores it.
    await expect(taken).rejects.toEqual(code('WITNESS_UNREACHABLE'));
    await expect.poll(() => debian.said()).toMatch(/panic serving[^\n]*persistTreeHead/);
  });

  it.each([
    ['as long as what it signed', 20, 'WITNESS_PROOF_REFUSED'],
    ['longer', 25, 'WITNESS_PROOF_REFUSED'],
    ['shorter', 15, 'WITNESS_CONFLICT'],
  ])('signs no other history of the log, %s', async (_what, size, refused) => {
    const debian = await started();
    debian.signed(originOf(project), 20, treeOf(20).root());
    const forked = await asked(treeOf(size, 'other'));
    await expect(witnessAt(debian.url, debian.key).ask(forked)).rejects.toEqual(code(refused));
    expect(debian.said()).not.toContain('panic');
  });

  it('signs no log that it does not know, nor under a key that it does not know', async () => {
    const debian = await startLitewitness('witness.example/w1');
    const witness = witnessAt(debian.url, debian.key);
    await expect(witness.ask(await asked(treeOf(3)))).rejects.toEqual(code('WITNESS_REFUSED'));
    await debian.addLog(originOf(project), logKey);
    const foreign = { ...(await asked(treeOf(3))), note: await noteOf(treeOf(3), testKey('mallory')) };
    await expect(witness.ask(foreign)).rejects.toEqual(code('WITNESS_REFUSED'));
  });
});
