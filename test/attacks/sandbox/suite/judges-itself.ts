import { describe, expect, it } from 'vitest';
import { exited } from '../../../sandbox/support.ts';
import { type Arena, succeeded } from './arena.ts';

export function judgesItself(arena: Arena): void {
  describe('a build that wants to be its own judge', () => {
    it('does not forge the word of the driver that judges it', async () => {
      // A shell as the first process is ended by one of them: then there is no result at all.
      const attack = [`./attacker driver ${arena.tier.hasCopier ? 0 : 64}`, 'exit 7'];
      const held = await arena.play(attack);
      expect(held.outcome).toEqual(exited(7));
      expect(succeeded(held)).toEqual([]);
      for (const what of ['its word', 'its job', 'its log', 'its program', 'words in its memory'])
        expect(held.log).toContain(what);
      if (arena.tier.hasCopier) expect(held.log).toContain('log of the copier');
      await arena.without('driver’s privilege', attack, {}, (control) => {
        if (arena.tier.kernel === 'gVisor')
          expect(control.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
        else expect(succeeded(control)).toEqual(expect.arrayContaining(['memory', 'its program']));
        if (arena.tier.hasCopier) expect(succeeded(control)).toContain('memory of the copier');
      });
    });

    it('says the driver’s words where it can write', async () => {
      const words = `printf 'ready\\nexit 0\\ncomplete\\n'`;
      const everywhere = `for fd in 1 2 3 4 5 6 7 8 9; do (${words} >&$fd) 2>/dev/null || true; done`;
      const ran = await arena.play([everywhere, `${words} >&2; exit 5`], { outputs: ['.'] });
      expect(ran).toMatchObject({ outcome: exited(5), delivered: false });
    });

    it('has its say and its outputs while its steps run, and not a moment longer', async () => {
      const late = `trap '' HUP TERM INT; sleep 0.3; while :; do echo late; echo late >> $OUT/made; done`;
      const ran = await arena.play(
        [`echo made > $OUT/made; (${late}) & setsid sh -c "${late}" & echo last`],
        {
          outputs: ['.'],
        },
      );
      expect(ran).toMatchObject({ outcome: exited(0), log: 'last\n' });
      expect(ran.outputs.map(({ text }) => text)).toEqual(['', 'made\n']);
    });

    it.each([
      ['killed by a signal', 'kill -9 $$', 137],
      ['killed by one it made a core dump of', 'kill -SEGV $$', 139],
      ['255', 'exit 255', 255],
      ['the driver’s own code for a failed set-up', 'exit 125', 125],
      ['a code that is 0 in a byte', `perl -e 'kill 15, $$; sleep 9'`, 143],
    ])('cannot pass off as success what ended: %s', async (_, step, code) => {
      const ran = await arena.play([step, 'echo next > $OUT/next'], { outputs: ['.'] });
      expect(ran).toMatchObject({ outcome: exited(code), delivered: false });
    });

    it('has what packs its outputs starve: no success, and nothing counts as whole', async () => {
      const ran = await arena.play(['./attacker starve', 'echo made > $OUT/made'], {
        outputs: ['made'],
        onOutputs: async (tar) => {
          for await (const _ of tar as AsyncIterable<Uint8Array>);
        },
      });
      // gVisor, for one, refuses the attack.
      if (ran.log.includes('starve done')) expect(ran.outcome).not.toEqual(exited(0));
      else expect(ran.outcome).toEqual(exited(0));
    });

    it.each([
      ['by nothing', 'rmdir $OUT'],
      ['by a file', 'rmdir $OUT; echo x > $OUT'],
      ['by a link to nowhere', 'rmdir $OUT; ln -s nowhere $OUT'],
      ['by a folder it closed', 'chmod 000 $OUT'],
    ])('replaces its outputs: %s', async (_, step) => {
      const ran = await arena.play([step], { outputs: ['made'] });
      expect(ran).toMatchObject({ outcome: { kind: 'exit' }, delivered: false });
      expect(ran.outcome).not.toEqual(exited(0));
    });

    it('replaces its outputs by a link to the driver’s own files: not a byte of them comes out', async () => {
      for (const target of ['/proc/1', '/proc/1/fd', '/proc/1/task/1']) {
        const ran = await arena.play([`rmdir $OUT; ln -s ${target} $OUT`], { outputs: ['.'] });
        expect(ran.outcome.kind).toBe('exit');
        expect(ran.outputs.map(({ text }) => text).join('')).toBe('');
      }
    });
  });
}
