import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { consentFor, rememberTiers } from '../../src/execution/tier-consent.ts';

function home(): string {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-tiers-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

it('asks before it shares the kernel, and before nothing else', async () => {
  expect(await consentFor(home(), ['namespace'], undefined)).toMatchObject({ tier: 'namespace' });
  for (const tier of ['gvisor', 'vm-emulated', 'vm'] as const)
    expect(await consentFor(home(), [tier], undefined)).toBeUndefined();
});

it('a tier that was named is agreed to', async () => {
  expect(await consentFor(home(), ['namespace'], ['namespace'])).toBeUndefined();
});

it('never steps down in silence: what was agreed to once says how far one may go', async () => {
  const dir = home();
  await rememberTiers(dir, ['gvisor']);
  expect(await consentFor(dir, ['gvisor'], undefined)).toBeUndefined();
  expect(await consentFor(dir, ['vm'], undefined)).toBeUndefined();
  const consent = await consentFor(dir, ['namespace'], undefined);
  expect(consent?.why).toMatch(/lent itself with gvisor before, and only namespace works now/);
  await rememberTiers(dir, ['namespace']);
  expect(await consentFor(dir, ['namespace'], undefined)).toBeUndefined();
});

it('a virtual machine that is gone is told before gVisor takes its place', async () => {
  const dir = home();
  await rememberTiers(dir, ['vm']);
  expect(await consentFor(dir, ['gvisor'], undefined)).toMatchObject({ tier: 'gvisor' });
});
