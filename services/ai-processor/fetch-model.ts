/** `npm run fetch-model -- <folder>` puts the embedding model there, for an image or a machine of its own. */
import { cp } from 'node:fs/promises';
import { findMiniLm } from '../../test/parts/minilm.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: npm run fetch-model -- <folder>\n');
  process.exit(2);
}
await cp(await findMiniLm(), folder, { recursive: true });
process.stdout.write(`${folder} holds the model\n`);
