import type { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { sandboxLimits } from '../../../../sandbox/limits.ts';
import { exited, MiB, type Play, type Ran } from '../../../sandbox/support.ts';
import { codeOf, store } from '../../../store/support.ts';
import { withLimits } from '../../../support/with-limits.ts';
import type { Arena } from './arena.ts';

const BYTES_MAX = 16 * MiB;
const ENTRIES_MAX = 500;

/** Takes outputs as a worker does: through the store's own reader, which throws what it refuses. */
async function taken(run: (options: Play) => Promise<Ran>, options: Play = {}) {
  const s = await store();
  let files: string[] = [];
  const onOutputs = async (tar: Readable) => {
    const tree = await s.importTar(tar, { into: s.public, maxBytes: BYTES_MAX, maxEntries: ENTRIES_MAX });
    files = tree.files.map(({ path }) => path);
  };
  let ran: Ran | undefined;
  const code = await codeOf(
    run({ outputs: ['.'], onOutputs, ...options }).then((done) => {
      ran = done;
    }),
  );
  return { code, ran, files };
}

const count = async (tar: Readable): Promise<number> => {
  let bytes = 0;
  for await (const chunk of tar as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
  return bytes;
};

const deep = (levels: number, name: string) =>
  `perl -e 'chdir $ENV{OUT}; for (1..${levels}) { mkdir "${name}" and chdir "${name}" or die } open F, ">f"'`;

export function makesHostileOutputs(arena: Arena): void {
  describe('a build whose outputs are an attack', () => {
    it.each([
      ['a link to a file of the host', 'ln -s /etc/shadow $OUT/link', 'STORE_LINK_ESCAPES'],
      ['a link out of the tree', 'mkdir $OUT/d; ln -s ../../x $OUT/d/link', 'STORE_LINK_ESCAPES'],
      ['a folder that is a link', 'ln -s /proc/self $OUT/self', 'STORE_LINK_ESCAPES'],
      ['a pipe', 'mkfifo $OUT/pipe', 'STORE_ENTRY_REFUSED'],
      ['names that are no text', `perl -e 'open F, ">", "$ENV{OUT}/\\xff\\xfe"'`, 'STORE_NAME_NOT_UTF8'],
      ['names that differ in case only', 'touch $OUT/readme $OUT/README', 'STORE_PATH_CASE_CONFLICT'],
      ['more folders in folders than fit a path', deep(1500, 'abcd'), 'STORE_PATH_TOO_DEEP'],
      ['more files than a tree has', `cd $OUT; seq 1 600 | xargs touch`, 'STORE_TREE_TOO_MANY_ENTRIES'],
      ['a path longer than a path is', deep(60, 'a'.repeat(200)), 'STORE_PATH_TOO_LONG'],
      [
        'a program that runs as its owner',
        'cp /bin/true $OUT/tool; chmod 6755 $OUT/tool',
        'STORE_ENTRY_REFUSED',
      ],
      ['a file too large', 'truncate -s 17M $OUT/large', 'STORE_TREE_TOO_LARGE'],
    ])('%s', async (_, step, refused) => {
      const { code } = await taken((options) => arena.play([step], options), {});
      expect(code).toBe(refused);
    });

    it('devices and sockets are left behind or refused, and never made', async () => {
      const make = [
        `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un("$ENV{OUT}/socket"))'`,
        'mknod $OUT/whiteout c 0 0 2>/dev/null || true; mknod $OUT/null c 1 3 2>/dev/null || true; ls $OUT',
      ];
      const { code, ran, files } = await taken((options) => arena.play(make, options));
      if (ran?.log.includes('whiteout')) expect(code).toBe('STORE_ENTRY_REFUSED');
      else expect(files).toEqual([]);
      expect(ran?.log ?? '').not.toContain('null');
    });

    it('a sparse file of a terabyte', async () => {
      const step = ['truncate -s 1T $OUT/sparse'];
      const limits = { diskBytes: 8 * MiB };
      const held = await arena.play(step, {
        limits,
        outputs: ['.'],
        onOutputs: async (tar) => void (await count(tar)),
      });
      expect(held.outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
    });

    it('a sparse file, of which the worker gets more than the job may write', async () => {
      withLimits(sandboxLimits, { outputOverheadBytes: 4 * MiB });
      const step = ['truncate -s 16M $OUT/sparse'];
      let bytes = 0;
      const options = {
        limits: { diskBytes: 8 * MiB },
        outputs: ['.'],
        onOutputs: async (tar: Readable) => {
          bytes = await count(tar);
        },
      };
      const held = await arena.play(step, options);
      expect(held.outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
      await arena.without('output size', step, options, ({ outcome }) => {
        expect(outcome).toEqual(exited(0));
        expect(bytes).toBeGreaterThan(16 * MiB);
      });
    });

    it('one file under very many names: an archive many times its size', async () => {
      withLimits(sandboxLimits, { outputOverheadBytes: 4 * MiB });
      const step = [
        `head -c 1000000 /dev/zero > $OUT/0; perl -e 'link("$ENV{OUT}/0", "$ENV{OUT}/$_") for 1..20'`,
      ];
      const options = {
        limits: { diskBytes: 8 * MiB },
        outputs: ['.'],
        onOutputs: async (tar: Readable) => void (await count(tar)),
      };
      const held = await arena.play(step, options);
      expect(held.outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
      await arena.without('output size', step, options, ({ outcome }) => expect(outcome).toEqual(exited(0)));
    });

    it('the worker’s disk is full while they are taken', async () => {
      const full = async (tar: Readable) => {
        for await (const _ of tar as AsyncIterable<Uint8Array>) {
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        }
      };
      const step = ['head -c 20000000 /dev/zero > $OUT/f'];
      expect(await codeOf(arena.play(step, { outputs: ['.'], onOutputs: full }))).toBe('ENOSPC');
    });

    it('they are never read to their end: the job can still be ended', async () => {
      const stop = new AbortController();
      const ran = await arena.play(['head -c 20000000 /dev/zero > $OUT/f'], {
        outputs: ['.'],
        signal: stop.signal,
        onOutputs: async (tar) => {
          // As soon as something of them has come.
          tar.once('readable', () => stop.abort());
          await new Promise((resolve) => tar.once('close', resolve));
        },
      });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
    });
  });

  describe('a build that writes its log to hurt', () => {
    it('floods it: the worker stays awake and holds none of it', async () => {
      const flood = 200_000_000 / arena.tier.slower;
      let bytes = 0;
      // The longest computation at a stretch, however much of the processor others have.
      let longest = 0;
      let last = process.threadCpuUsage();
      const clock = setInterval(() => {
        const { user, system } = process.threadCpuUsage(last);
        longest = Math.max(longest, (user + system) / 1000);
        last = process.threadCpuUsage();
      }, 20);
      const before = process.memoryUsage().rss;
      const ran = await arena.play([`yes ${'0123456789'.repeat(9)} | head -c ${flood}`], {
        onLogBytes: (chunk) => {
          bytes += chunk.byteLength;
        },
      });
      clearInterval(clock);
      expect(ran.outcome).toEqual(exited(0));
      expect(bytes).toBe(flood);
      expect(longest).toBeLessThan(1000);
      expect(process.memoryUsage().rss - before).toBeLessThan(150 * MiB);
    });

    it('writes one line without end, and bytes that are no text', async () => {
      const ran = await arena.play([
        `head -c 3000000 /dev/zero | tr '\\0' '\\377'; echo`,
        'printf "\\033]0;owned\\007"',
      ]);
      expect(ran.outcome).toEqual(exited(0));
    });
  });
}
