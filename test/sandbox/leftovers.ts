import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openSandbox, removeLeftovers, type Tier } from '../../sandbox/index.ts';
import { hasLoopDevices } from '../support/loop-device.ts';
import { exited, holdsWithin, MiB, play, processesOfJobs, tempFolder, unprobed } from './support.ts';

/** A tier leaves nothing on a machine after whatever ends a job, a worker or a probe. */
export function leavesNothing(tier: Tier): void {
  describe(`in the tier ${tier}, after the end of`, () => {
    let folder: Awaited<ReturnType<typeof tempFolder>>;
    beforeEach(async () => {
      folder = await tempFolder();
    });
    afterEach(() => folder.remove());

    const notes = async () => readdir(join(folder.path, 'sandbox'));
    const groupsOf = async (note: string): Promise<string[]> =>
      JSON.parse(await readFile(join(folder.path, 'sandbox', note), 'utf8')).directories;

    it('a job there is no group and no note', async () => {
      const sandbox = unprobed(folder.path, tier);
      let groups: string[] = [];
      const stop = new AbortController();
      const ran = await play(sandbox, ['echo go; cat /proc/self/cgroup'], {
        signal: stop.signal,
        onLog: () => {},
        outputs: ['.'],
        onOutputs: async (tar) => {
          const [note = ''] = await notes();
          groups = await groupsOf(note);
          expect(groups.every((group) => existsSync(group))).toBe(true);
          tar.resume();
          await once(tar, 'end');
        },
      });
      expect(ran.outcome).toEqual(exited(0));
      expect(groups.length).toBeGreaterThan(0);
      expect(groups.filter((group) => existsSync(group))).toEqual([]);
      expect(await notes()).toEqual([]);
    });

    /** A worker in a process of its own that runs this step, once it has said something. */
    async function holding(step: string, ...mode: string[]): Promise<ChildProcess> {
      const words = [join(import.meta.dirname, 'holder.ts'), folder.path, step, tier, ...mode];
      const holder = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
      onTestFinished(() => void holder.kill('SIGKILL'));
      await once(holder.stdout, 'data');
      return holder;
    }

    it.each([
      ['', 2],
      ['network', 2],
      ['ahead', 1],
    ])('a worker killed with -9 (%s) no process, and no group after a start', async (mode, least) => {
      const holder = await holding('setsid sleep 1000 & echo go; sleep 1000', mode);
      const begun = async () => (await processesOfJobs(holder.pid)).length >= least;
      expect(await holdsWithin(60_000, begun)).toBe(true);
      const [note = ''] = await notes();
      const groups = await groupsOf(note);
      // Files that another tier would keep on the disk for its job.
      const files = join(folder.path, 'sandbox', note.replace(/\.json$/, ''), 'deep');
      await mkdir(files, { recursive: true });
      await writeFile(join(files, 'disk.img'), 'x');

      holder.kill('SIGKILL');
      await once(holder, 'exit');
      expect(await holdsWithin(60_000, async () => (await processesOfJobs(holder.pid)).length === 0)).toBe(
        true,
      );

      expect(groups.some((group) => existsSync(group))).toBe(true);
      await openSandbox(folder.path, tier);
      expect(groups.filter((group) => existsSync(group))).toEqual([]);
      expect(await notes()).toEqual([]);
    });

    /** Files below the folder that loop devices stand for, also those without a name any more. */
    const looped = (): string[] =>
      execFileSync('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], { encoding: 'utf8' })
        .split('\n')
        .filter((file) => file.includes(folder.path));
    const gone = () => holdsWithin(60_000, async () => looped().length === 0);
    const files = async () =>
      (await readdir(folder.path, { recursive: true })).filter((path) => path.endsWith('.ext4'));

    it.skipIf(!hasLoopDevices)(
      'a build that was cancelled there is no loop device and no file, as root with loop devices',
      async () => {
        const sandbox = unprobed(folder.path, tier);
        const stop = new AbortController();
        let during: string[] = [];
        const ran = await play(sandbox, ['head -c 200000000 /dev/zero > /tmp/f; echo go; sleep 1000'], {
          signal: stop.signal,
          limits: { diskBytes: 256 * MiB },
          onLog: () => {
            during = looped();
            stop.abort();
          },
        });
        expect(ran.outcome).toMatchObject({ reason: 'killed' });
        expect(during).toHaveLength(1);
        expect(await gone()).toBe(true);
        expect(await files()).toEqual([]);
      },
    );

    it.skipIf(!hasLoopDevices)(
      'a worker killed with -9 whose build has a disk there is no loop device and no file, as root with loop devices',
      async () => {
        const holder = await holding('echo x > /tmp/f; echo go; sleep 1000', 'disk');
        expect(looped()).toHaveLength(1);
        holder.kill('SIGKILL');
        await once(holder, 'exit');
        expect(await gone()).toBe(true);
        await removeLeftovers(folder.path);
        expect(await files()).toEqual([]);
        expect(await notes()).toEqual([]);
      },
    );

    it('a worker killed with -9 while a build of its starts, no step of that runs', async () => {
      const holder = await holding('sleep 1000', 'frozen');
      const begun = async () => (await processesOfJobs(holder.pid)).length > 0;
      expect(await holdsWithin(60_000, begun)).toBe(true);
      const [note = ''] = await notes();
      const groups = await groupsOf(note);

      holder.kill('SIGKILL');
      await once(holder, 'exit');
      for (const group of groups) {
        const [v1, v2] = [join(group, 'freezer.state'), join(group, 'cgroup.freeze')];
        if (existsSync(v1)) await writeFile(v1, 'THAWED');
        else if (existsSync(v2)) await writeFile(v2, '0');
      }
      expect(await holdsWithin(60_000, async () => !(await begun()))).toBe(true);
      await removeLeftovers(folder.path);
      expect(groups.filter((group) => existsSync(group))).toEqual([]);
    });

    it('a crash while a note was written, the next start forgets it', async () => {
      await mkdir(join(folder.path, 'sandbox'));
      await writeFile(join(folder.path, 'sandbox', 'quorate-job-1-a.json'), '{"pid":1,"sta');
      await removeLeftovers(folder.path);
      expect(await notes()).toEqual([]);
    });

    it('a probe that was cut short there is no process, no group and no note', async () => {
      const inside = 'guards, memory limit, time limit, processor limit';
      const stop = new AbortController();
      const seen: string[] = [];
      let groups: string[] = [];
      const onStep = (_: string, looksAt: string) => {
        seen.push(looksAt);
        if (looksAt !== inside) return;
        // Until something runs in a group. A job of the probe may end while its note is looked at: the next one is.
        const begun = async () => {
          if ((await processesOfJobs()).length === 0) return false;
          const there = await Promise.all((await notes()).map((note) => groupsOf(note).catch(() => [])));
          groups = there.flat();
          return groups.length > 0;
        };
        void holdsWithin(60_000, begun).then(() => stop.abort(new Error('enough')));
      };
      await expect(openSandbox(folder.path, tier, { onStep, signal: stop.signal })).rejects.toThrow('enough');
      expect(seen.slice(0, 3)).toEqual(['tools and versions', 'image for its jobs', inside]);
      expect(groups.length).toBeGreaterThan(0);
      expect(groups.filter((group) => existsSync(group))).toEqual([]);
      expect(await processesOfJobs()).toEqual([]);
      expect(await notes()).toEqual([]);
    });

    it('a start leaves the jobs of a living worker alone', async () => {
      const sandbox = unprobed(folder.path, tier);
      const stop = new AbortController();
      let starting: Promise<unknown> | undefined;
      let started = false;
      // It still says something after the other start.
      const ran = await play(sandbox, ['while sleep 0.1; do echo go; done'], {
        signal: stop.signal,
        limits: { seconds: 300 },
        onLog: () => {
          if (started) stop.abort();
          starting ??= removeLeftovers(folder.path).finally(() => {
            started = true;
          });
        },
      });
      expect(ran.outcome).toMatchObject({ reason: 'killed', detail: 'the job was cancelled' });
      await starting;
    });
  });
}
