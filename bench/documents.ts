import { createPrivateKey } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';
import { encodePrivatePem, keyFromSeed } from '../src/identity/keys.ts';
import { importPeerId } from '../src/identity/pem.ts';
import { joseVerifier, plainVerifier } from '../src/identity/verifier.ts';
import { openMessage, openStatement } from '../src/protocol/documents/index.ts';
import { makeProject } from '../test/support/project.ts';
import { processorSeconds } from './processes.ts';
import { inTurn, type Suite } from './run.ts';

const times = 500;
const rounds = 5;

/** Seconds of processor time that one of them takes. */
const each = (work: () => Promise<unknown>) => async (): Promise<number> =>
  (await processorSeconds(async () => {
    for (let n = 0; n < times; n++) await work();
  })) / times;

export const suite: Suite = {
  what: 'signed documents: opened for the first time and again, signed',
  secondsMax: 120,
  async run(bench) {
    const { request, verdict } = (await makeProject()).bundle;
    const key = keyFromSeed(new Uint8Array(32).fill(3));
    const { signer } = await openMessage('request', request, plainVerifier);
    const publicKey = importPeerId(signer);
    const header = { alg: 'Ed25519', kid: key.id, typ: 'x' } as const;
    const payload = new Uint8Array(500);
    const ofJose = { algorithms: ['Ed25519'] };
    const privateKey = createPrivateKey(encodePrivatePem(key.seed));
    const took = await inTurn(rounds, {
      jws: each(() => plainVerifier.jws(request, signer)),
      jose: each(() => compactVerify(request, publicKey, ofJose)),
      sign: each(() => key.signer.jws(header, payload)),
      joseSign: each(() => new CompactSign(payload).setProtectedHeader(header).sign(privateKey)),
      request: each(() => openMessage('request', request, plainVerifier)),
      requestAgain: each(() => openMessage('request', request, joseVerifier)),
      verdict: each(() => openStatement('verdict', verdict, plainVerifier)),
      verdictAgain: each(() => openStatement('verdict', verdict, joseVerifier)),
    });
    const us = (name: keyof typeof took): number => took[name].warm * 1e6;
    bench.figure('a compact JWS verified', us('jws'), 'µs', { beside: ['jose', us('jose')] });
    bench.figure('a compact JWS signed', us('sign'), 'µs', { beside: ['jose', us('joseSign')] });
    bench.figure('a request opened again', us('requestAgain'), 'µs', {
      beside: ['for the first time', us('request')],
    });
    bench.figure('a verdict opened again', us('verdictAgain'), 'µs', {
      beside: ['for the first time', us('verdict')],
    });
  },
};
