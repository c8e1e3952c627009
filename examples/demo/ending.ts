// Everything that ends a demo from outside of its own course.

export const SIGINT_CODE = 130;
const SIGNAL_CODES = { SIGINT: SIGINT_CODE, SIGTERM: 143, SIGHUP: 129 } as const;

export type Ending = {
  /** With the exit code; rejects when something failed that nobody waits for. */
  readonly reached: Promise<number>;
  readonly fail: (error: Error) => void;
};

export function watchForEnd(): Ending {
  const { promise: reached, resolve, reject: fail } = Promise.withResolvers<number>();
  // npm hands Ctrl-C on to a process that had it from the terminal already: later ones change nothing.
  for (const [signal, code] of Object.entries(SIGNAL_CODES)) process.on(signal, () => resolve(code));
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', (reason) => fail(new Error('unhandled rejection', { cause: reason })));
  // `npm start | head`: nobody reads any more.
  process.stdout.on('error', () => resolve(0));
  return { reached, fail };
}
