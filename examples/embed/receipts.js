// Takes a bundle apart for tools that know nothing of Quorate: node receipts.js BUNDLE FOLDER
// Writes each receipt, and the verdict, as a DSSE envelope, and the public key of everybody who signed it as PEM:
// receipt-0.dsse.json, receipt-0.pem, …, verdict.dsse.json, verdict-controller.pem, verdict-cosigner-1.pem.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv } from 'node:process';
import { decodeBundle, publicPemOf } from 'quorate';

const [file = '', folder = '.'] = argv.slice(2);
const { receipts, verdict } = decodeBundle(await readFile(file, 'utf8'));
const signersOf = (envelope) => JSON.parse(envelope).signatures.map(({ keyid }) => keyid);

await mkdir(folder, { recursive: true });
for (const [n, { envelope }] of receipts.entries()) {
  const [worker] = signersOf(envelope);
  await writeFile(join(folder, `receipt-${n}.dsse.json`), envelope);
  await writeFile(join(folder, `receipt-${n}.pem`), publicPemOf(worker));
}
await writeFile(join(folder, 'verdict.dsse.json'), verdict);
for (const [n, key] of signersOf(verdict).entries())
  await writeFile(
    join(folder, n === 0 ? 'verdict-controller.pem' : `verdict-cosigner-${n}.pem`),
    publicPemOf(key),
  );
