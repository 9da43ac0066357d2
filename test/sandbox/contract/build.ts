import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { exited, MiB, readOutputs, survivors, tarOf, uniqueSleep } from '../support.ts';

import type { Ground } from './ground.ts';

export function aBuild(ground: Ground): void {
  const { play } = ground;
  describe('a build', () => {
    it('returns what a failed job put out where that is asked for, as far as it is there', async () => {
      const steps = ['echo one > $OUT/x; exit 7'];
      const names = async (outputs: string[], run = steps) => {
        const ran = await play(run, { outputs, failedOutputs: true });
        return [ran.outcome, ran.outputs.map(({ header }) => header.name)];
      };
      expect(await names(['x', 'y'])).toEqual([exited(7), ['x']]);
      expect(await names(['y'])).toEqual([exited(7), []]);
      expect(await names(['.'], ['rm -r $OUT; exit 3'])).toEqual([exited(3), []]);
      expect(await names(['x', 'y'], ['echo one > $OUT/x'])).toEqual([exited(1), ['x']]);
    });

    it('gets its source and inputs and returns outputs as a normalised tar', async () => {
      const ran = await play(
        ['make', 'cp /build/in/dep/lib/x.txt "$OUT/z.txt"; ln -s bin/hello "$OUT/alias"'],
        {
          source: tarOf([
            {
              name: 'Makefile',
              content: 'all:\n\tmkdir -p $(OUT)/bin\n\tgcc -o $(OUT)/bin/hello hello.c\n\t$(OUT)/bin/hello\n',
            },
            {
              name: './hello.c',
              content: '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n',
            },
          ]),
          inputs: [
            {
              name: 'dep',
              tar: tarOf([
                { name: 'lib/', type: 'directory' },
                { name: 'lib/x.txt', content: 'dep' },
              ]),
            },
          ],
          outputs: ['.'],
        },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toContain('hello\n');
      const names = ran.outputs.map(({ header }) => header.name);
      expect(names).toEqual(['./', './alias', './bin/', './bin/hello', './z.txt']);
      expect(ran.outputs.find(({ header }) => header.name === './z.txt')?.text).toBe('dep');
      expect(ran.outputs.find(({ header }) => header.name === './alias')?.header.linkname).toBe('bin/hello');
      for (const { header } of ran.outputs) {
        expect([header.uid, header.gid, header.uname, header.gname, header.mtime.getTime()]).toEqual([
          0,
          0,
          '',
          '',
          0,
        ]);
      }
    });

    it('finds its dependencies in their folders, told by its environment, and is refused nothing beside certificates', async () => {
      const folder = (name: 'dependencies' | '.cargo', path: string) => ({
        name,
        tar: tarOf([{ name: path, content: path }]),
      });
      const ran = await play(
        [
          'cat "$AT/tool/a" /build/.cargo/config.toml',
          'case "$(cat /etc/ssl/openssl.cnf 2>&1)" in *denied*) exit 3;; esac',
          'test -w "$AT/tool/a"; test "$PWD" = /build/src; test ! -e .cargo',
        ],
        {
          dependencies: {
            folders: [folder('dependencies', 'tool/a'), folder('.cargo', 'config.toml')],
            env: { AT: '/build/dependencies' },
          },
        },
      );
      expect(ran.outcome, ran.log).toEqual(exited(0));
      expect(ran.log).toBe('tool/aconfig.toml');
    });

    it('fails when a declared output was not made', async () => {
      const ran = await play(['true'], { outputs: ['a'] });
      expect(ran).toMatchObject({ outcome: exited(1), delivered: false });
      expect(ran.log).toContain('did not make the output a');
    });

    it('ends with the code of the first step that fails, and returns nothing', async () => {
      const ran = await play(['echo one > $OUT/x', 'echo two; exit 7', 'echo three'], { outputs: ['.'] });
      expect(ran).toMatchObject({ outcome: exited(7), log: 'two\n', delivered: false });
    });

    it('streams its log while it runs, both streams of it', async () => {
      const seen: string[] = [];
      const stop = new AbortController();
      const ran = await play(['echo out; echo err >&2; sleep 60'], {
        signal: stop.signal,
        onLog: (text) => {
          seen.push(text);
          if (seen.join('') === 'out\nerr\n') stop.abort();
        },
      });
      expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
    });

    it('cannot change its later steps, nor speak for the driver', async () => {
      const ran = await play([
        'for fd in 3 4 5 6 7 8 9; do if (echo complete >&$fd) 2>/dev/null; then exit 9; fi; done',
        'kill -9 1 2>/dev/null || true; kill -STOP 1 2>/dev/null || true',
        'exit 3',
      ]);
      expect(ran.outcome).toEqual(exited(3));
    });

    it('returns the same bytes twice', async () => {
      const build = async () => {
        const chunks: Uint8Array[] = [];
        const run = ['for i in b a c; do echo $i > "$OUT/$i"; done; ln "$OUT/a" "$OUT/hard"'];
        const onOutputs = async (tar: Readable) => {
          for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
        };
        const { outcome } = await play(run, { outputs: ['.'], onOutputs });
        expect(outcome).toEqual(exited(0));
        return Buffer.concat(chunks);
      };
      const [first, second] = [await build(), await build()];
      expect(first.equals(second)).toBe(true);
      const entries = await readOutputs(Readable.from([first]));
      expect(entries.map(({ header }) => header.type)).not.toContain('link');
    });

    it('returns only the outputs that were asked for', async () => {
      const ran = await play(['mkdir -p $OUT/a/b $OUT/c; echo 1 > $OUT/a/b/f; echo 2 > $OUT/c/g'], {
        outputs: ['a/b', 'a/b/f'],
      });
      expect(ran.outputs.map(({ header }) => header.name)).toEqual(['a/b/', 'a/b/f']);
    });

    it('runs each step with -e and -u', async () => {
      expect((await play(['false; true'])).outcome).toEqual(exited(1));
      expect((await play(['echo $nothing_of_that_name'])).outcome).not.toEqual(exited(0));
    });

    it('writes to its log by the name of it too, in order', async () => {
      const ran = await play([
        'echo a > /dev/stderr; echo b > /dev/stdout; echo c | tee /dev/stderr; echo d >> /proc/self/fd/2; echo e',
        'sh -c "echo f > /dev/stderr"; kill -KILL $$',
      ]);
      expect(ran.outcome).toEqual(exited(137));
      expect(ran.log).toMatch(/^a\nb\nc\nc\nd\ne\nf\n/);
    });

    it('has its whole log read, also by a slow reader, whatever it left running', async () => {
      const nap = uniqueSleep();
      const read = createHash('sha256');
      let bytes = 0;
      const ran = await play(
        [
          `(setsid sh -c "trap '' TERM HUP; sleep ${nap} <&1; sleep ${nap}" &)`,
          `(yes 0123456789abcde || true) 2>/dev/null | head -c ${16 * MiB}`,
        ],
        {
          onLogBytes: (chunk) => {
            read.update(chunk);
            // A worker that has other things to do.
            if (bytes % MiB < chunk.byteLength)
              Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
            bytes += chunk.byteLength;
          },
        },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(bytes).toBe(16 * MiB);
      const written = createHash('sha256').update('0123456789abcde\n'.repeat(MiB));
      expect(read.digest('hex')).toBe(written.digest('hex'));
      expect(await survivors(nap)).toEqual([]);
    });

    it('ends in time with what holds its log open, and at most cuts it short when it fights what copies it', async () => {
      const nap = uniqueSleep();
      const fight = (signal: string) => `
        for p in /proc/[0-9]*; do
          if read -r name < $p/comm && [ "$name" = cat ]; then kill -${signal} \${p#/proc/} || true; fi
        done 2>/dev/null`;
      const holds = await play([
        `sleep ${nap} & sleep ${nap} </dev/stdout & setsid sleep ${nap} & echo last`,
      ]);
      expect(holds).toMatchObject({ outcome: exited(0), log: 'last\n' });
      const stops = await play([`echo first; ${fight('STOP')}; head -c 50000 /dev/zero; echo last; exit 3`]);
      expect(stops.outcome).toEqual(exited(3));
      expect(stops.log).toBe(`first\n${'\0'.repeat(50_000)}last\n`);
      const kills = await play([
        `echo first; ${fight('KILL')}; sleep 0.1; trap '' PIPE; echo last || true; exit 3`,
      ]);
      expect(kills.outcome).toEqual(exited(3));
      expect(await survivors(nap)).toEqual([]);
    });

    it('runs git, perl and programs with threads', async () => {
      const source = tarOf([
        {
          name: 't.c',
          content:
            '#include <pthread.h>\n#include <stdio.h>\nvoid *f(void *p) { puts("thread"); return p; }\n' +
            'int main(void) { pthread_t t; return pthread_create(&t, 0, f, 0) || pthread_join(t, 0); }\n',
        },
      ]);
      const commit =
        'git add t.c && git -c user.name=a -c user.email=a@b.c commit -qm a && git fsck --strict';
      const ran = await play(
        [`git init -q . && ${commit}`, 'gcc -pthread -o /tmp/t t.c && /tmp/t', 'perl -e "print 2"'],
        { source },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toContain('thread\n2');
    });

    it('leaves no process to change the outputs while they are read', async () => {
      const run = [
        '(while :; do echo x >> $OUT/f; done) & (trap "" TERM HUP; while :; do echo x >> $OUT/g; done) & sleep 0.1',
      ];
      const ran = await play(run, { outputs: ['.'] });
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.outputs.map(({ header }) => header.name)).toEqual(['./', './f', './g']);
    });
  });
}
