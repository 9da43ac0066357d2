import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { folder } from '../cli/support.ts';
import { checkout } from '../support/checkout.ts';

const systemd = join(checkout, 'deploy', 'systemd');
const units = readdirSync(systemd);
/** Exposure of each at most, in tenths, by systemd's own count; git of the watcher needs namespaces. */
const exposureMax: Record<string, number> = { 'quorate-watch.service': 45 };
const exposureDefault = 15;

/** A unit as it would be installed, with a program that is here: systemd looks. */
function installed(name: string, change: (text: string) => string = (text) => text): string {
  const file = join(folder(), name);
  writeFileSync(
    file,
    change(readFileSync(join(systemd, name), 'utf8')).replace('/usr/local/bin/quorate', '/usr/bin/env'),
  );
  return file;
}

async function analyze(...args: string[]): Promise<{ ok: boolean; says: string }> {
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  try {
    const { stdout, stderr } = await promisify(execFile)('systemd-analyze', args, { env, timeout: 120_000 });
    return { ok: true, says: `${stdout}${stderr}` };
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return { ok: false, says: `${stdout}${stderr}` };
  }
}

const about = (says: string) =>
  says
    .split('\n')
    .filter((line) => line.includes('quorate'))
    .join('\n');

describe('the units of deploy/systemd', () => {
  it('are those of the services that the page names', () => {
    const page = readFileSync(join(checkout, 'docs', 'deploy.md'), 'utf8');
    const named = [...new Set([...page.matchAll(/quorate-[a-z]+\.service/g)].map(([name]) => name))].sort();
    expect(named).toEqual([...units, 'quorate-bootstrap.service'].sort());
  });

  it.each(units)('%s is one systemd has nothing to say about', async (name) => {
    const { says } = await analyze('verify', '--man=no', installed(name));
    expect(about(says)).toBe('');
  });

  it.each(units)('%s confines its service', async (name) => {
    const threshold = `--threshold=${exposureMax[name] ?? exposureDefault}`;
    const { ok, says } = await analyze(
      ...['security', '--offline=yes', '--no-pager', threshold],
      installed(name),
    );
    expect(ok, says).toBe(true);
  });

  it('are found wanting where a guard is left out: the control', async () => {
    const without = (text: string) =>
      text.replace(/^(SystemCallFilter|ProtectSystem|PrivateUsers)=.*\n/gm, '');
    const file = installed('quorate-store.service', without);
    const { ok } = await analyze(
      'security',
      '--offline=yes',
      '--no-pager',
      `--threshold=${exposureDefault}`,
      file,
    );
    expect(ok).toBe(false);
    const { says } = await analyze(
      ...['verify', '--man=no'],
      installed('quorate-store.service', (text) => text.replace('DynamicUser', 'DynamicUsers')),
    );
    expect(about(says)).toContain('DynamicUsers');
  });

  it('let a service list the addresses of its host, which takes netlink', () => {
    for (const file of [
      ...units.map((name) => join(systemd, name)),
      join(checkout, 'bootstrap', 'quorate-bootstrap.service'),
    ])
      expect(readFileSync(file, 'utf8')).toMatch(/^RestrictAddressFamilies=.*AF_NETLINK/m);
  });
});
