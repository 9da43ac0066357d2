import { expect, it } from 'vitest';
import { quorateProcess } from '../../cli/support.ts';

it('doctor looks at every tier, and its exit code says whether one of them works', async () => {
  const { code, out } = await quorateProcess(['doctor', '--json'], { env: { PATH: '/usr/bin:/bin' } });
  const { ok, checks } = JSON.parse(out) as {
    ok: boolean;
    checks: { name: string; ok: boolean; fix?: string; tier?: string }[];
  };
  for (const name of ['node', 'git', 'disk', 'clock'])
    expect(checks.map((check) => check.name)).toContain(name);
  expect(checks.some(({ name }) => name.startsWith('namespace sandbox'))).toBe(true);
  // One tier will do: that virtual machines need a device, for one, is no lack.
  const works = [...new Set(checks.flatMap(({ tier }) => tier ?? []))].filter((tier) =>
    checks.every((check) => check.tier !== tier || check.ok),
  );
  expect(ok).toBe(works.length > 0 && checks.every((check) => check.tier !== undefined || check.ok));
  expect(code).toBe(ok ? 0 : 3);
});
