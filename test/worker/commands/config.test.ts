import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { workerFileSchema } from '../../../src/worker/commands/worker-file.ts';
import { folder, quorate } from '../../cli/support.ts';

const check = (text: string, ...more: string[]) => {
  const home = folder();
  writeFileSync(join(home, 'worker.toml'), text);
  return quorate(['worker', 'config', '--check', '--home', home, ...more]);
};

describe('quorate worker config --check', () => {
  it('shows every key that there is, with what holds', async () => {
    const { code, out } = await check('');
    expect(code).toBe(0);
    for (const [section, schema] of Object.entries(workerFileSchema.shape)) {
      expect(out).toContain(`[${section}]\n`);
      for (const key of Object.keys(schema.unwrap().shape))
        expect(out).toMatch(new RegExp(`^  ${key}  `, 'm'));
    }
  });

  it('shows what the file says', async () => {
    const text =
      '[lend]\ncpu_time = "90m"\nimages = "3GiB"\n[priority]\nprocessor = "idle"\nio = 7\n[network]\nup = "512KiB/s"\nprivate = ["192.168.1.5:3000"]\n';
    const { code, out } = await check(text);
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}cpu_time +1 h 30 min a build$/m);
    expect(out).toMatch(/^ {2}images +3 GiB$/m);
    expect(out).toMatch(/^ {2}processor +idle$/m);
    expect(out).toMatch(/^ {2}io +7 of 100$/m);
    expect(out).toMatch(/^ {2}up +512 KiB\/s$/m);
    expect(out).toMatch(/^ {2}private +192\.168\.1\.5:3000$/m);
    const { rules } = JSON.parse((await check(text, '--json')).out);
    expect(rules).toMatchObject({ processor: 'idle', ioWeight: 7, imageBytes: 3 * 2 ** 30 });
  });

  it('shows a list of no hosts as none, and takes no "any" in a list', async () => {
    expect((await check('[network]\nhosts = []\n')).out).toMatch(/^ {2}hosts +none; /m);
    const { code, err } = await check('[network]\nhosts = ["any"]\n');
    expect([code, err]).toEqual([2, expect.stringContaining('hosts = "any" without brackets')]);
  });

  it('says where in the file a limit above the machine stands, in sizes people use', async () => {
    const { code, err } = await check('[lend]\n\nmemory = "9000GiB"\n');
    expect(code).toBe(2);
    expect(err).toMatch(
      /error\[LIMITS_INVALID\]: .*worker\.toml:3: lend\.memory: 8\.8 TiB is more than this host has \(\d.* GiB\)/,
    );
  });
});
