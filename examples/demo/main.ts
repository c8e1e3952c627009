import { parseArgs } from 'node:util';
import { runDemo } from './demo.ts';

// `npm start`: the mesh, a few requests through it, each explained. Stays up until Ctrl-C; `--once` ends by itself, and its exit code says
// whether everything was seen.

process.exit(await runDemo({ once: readOnce() }));

function readOnce(): boolean {
  try {
    return parseArgs({ options: { once: { type: 'boolean', default: false } } }).values.once;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nusage: npm start [-- --once]\n`);
    return process.exit(2);
  }
}
