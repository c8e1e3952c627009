import { parseArgs } from 'node:util';
import { closest } from '../../sidecar/src/config/closest.ts';
import { FAULTS } from './faults.ts';
import { observe } from './observe.ts';

// `npm run observe`: the mesh of `npm start` with Prometheus, Alertmanager and somebody who is paged. `-- --fault=errors` makes something go wrong; with
// `--once` it ends by itself, with 0 when the right people were told of it, and of its end.

const NAMES = Object.keys(FAULTS);

process.exit(await observe(readOptions()));

function readOptions(): { fault: string | null; once: boolean } {
  try {
    const { values } = parseArgs({ options: { fault: { type: 'string' }, once: { type: 'boolean' } } });
    const { fault = null, once = false } = values;
    if (fault !== null && !NAMES.includes(fault)) {
      const near = closest(fault, NAMES);
      throw new Error(`there is no fault "${fault}"${near === null ? '' : `; did you mean "${near}"?`}`);
    }
    if (once && fault === null) throw new Error('--once needs a --fault, whose end it waits for');
    return { fault, once };
  } catch (error) {
    const usage = `usage: npm run observe [-- --fault=${NAMES.join('|')} [--once]]`;
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
}
