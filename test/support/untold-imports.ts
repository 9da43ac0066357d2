// Loaded before Vitest in each process of the tests.
import module from 'node:module';

const { registerHooks } = module;
const imports = new Map<string, number>();

/**
 * Vitest's hook tells the main process of every import, some 4,000 messages a process, for a graph that only its watch mode reads: 0.3 s of a
 * processor. Here it is asked for files of tests and set-up alone, which it loads anew each time. They are told apart by their number, not by the
 * time: what V8 compiled of them is found again by the next run, and does not fill its folder.
 */
Object.assign(module, {
  registerHooks: ({ resolve, ...others }: module.RegisterHooksOptions) =>
    registerHooks({
      ...others,
      resolve: (specifier, context, next) => {
        if (resolve === undefined || !specifier.includes('%3Fvitest=')) return next(specifier, context);
        const found = resolve(specifier, context, next);
        const [file = ''] = found.url.split('?vitest=');
        const times = (imports.get(file) ?? 0) + 1;
        imports.set(file, times);
        // As many digits as the time has, by which Vitest finds the file again in a stack.
        return { ...found, url: `${file}?vitest=${String(times).padStart(13, '0')}` };
      },
    }),
});
