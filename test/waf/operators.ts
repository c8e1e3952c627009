// Operators of document stores, by the names that two well-known packages give them, in the places where attacks put them.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findInNpm } from '../parts/install.ts';
import type { Sample } from './lists.ts';

/** The folders of the packages' entries. */
const DRIVER = dirname(fileURLToPath(import.meta.resolve('mongodb')));
const MINGO = dirname(fileURLToPath(import.meta.resolve('mingo')));

/** Those that conditions of a query may have, by the types of the driver of MongoDB. */
export async function operatorsOfDriver(): Promise<string[]> {
  const types = await readFile(join(DRIVER, '../mongodb.d.ts'), 'utf8');
  const interfaces = ['RootFilterOperators', 'FilterOperators'].map((name) => {
    const start = types.search(new RegExp(`interface ${name}<`));
    return types.slice(start, types.indexOf('\n}', start));
  });
  return [...new Set(interfaces.join('').match(/\$\w+(?=\??:)/g) ?? [])];
}

/** Those that mingo, which answers such queries in JavaScript, implements: conditions and stages of pipelines. */
export async function operatorsOfMingo(): Promise<string[]> {
  const names = new Set<string>();
  for (const folder of ['query', 'pipeline']) {
    for (const file of await readdir(join(MINGO, 'operators', folder), { recursive: true })) {
      if (!file.endsWith('.js')) continue;
      const code = await readFile(join(MINGO, 'operators', folder, file), 'utf8');
      for (const [name] of code.matchAll(/\$[a-z]\w+/g)) names.add(name);
    }
  }
  return [...names];
}

const MONGOOSE = {
  part: 'The types of mongoose',
  name: 'mongoose@9.12.1',
  integrity:
    'sha512-wPw1NKurTDShT+kr/JJvhdwPKIJkxFJv5GEbv++QahN8snPR9Fp/BFg6nQbbCyUHBB8DexwwlCQW6SfBD99QCg==',
};

/** Those that pipelines may have, by the types of mongoose: stages and expressions. */
export async function operatorsOfMongoose(): Promise<string[]> {
  const folder = await findInNpm(MONGOOSE.part, MONGOOSE.name, MONGOOSE.integrity);
  const files = ['pipelinestage', 'expressions'].map((name) =>
    readFile(join(folder, `types/${name}.d.ts`), 'utf8'),
  );
  return [...new Set((await Promise.all(files)).join('').match(/\$\w+(?=\??:)/g) ?? [])];
}

const VALUES: readonly unknown[] = [null, '', 1, true, '.*', ['a'], { a: 1 }];

export function operatorRequests(operators: readonly string[]): Sample[] {
  return operators.flatMap((operator, index) => {
    const value = VALUES[index % VALUES.length];
    const bodies: unknown[] = [
      { username: 'admin', password: { [operator]: value } },
      { [operator]: value },
      { filter: { items: [{ sku: 'A-1', price: { [operator]: value } }] } },
      { filter: JSON.stringify({ owner: { [operator]: value } }) },
    ];
    return [
      ...bodies.map((body) => bodySample(JSON.stringify(body))),
      bodySample(`{"password":{"\\u0024${operator.slice(1)}":${JSON.stringify(value)}}}`),
      formSample(`username=admin&password[${operator}]=1`),
      formSample(`username=admin&password%5B${encodeURIComponent(operator)}%5D=1`),
    ];
  });
}

function bodySample(text: string): Sample {
  const body = Buffer.from(text);
  return { text, showings: [(inspector) => inspector.json(body)] };
}

function formSample(text: string): Sample {
  const body = Buffer.from(text);
  return {
    text,
    showings: [(inspector) => inspector.form(body), (inspector) => inspector.target(`/login?${text}`)],
  };
}
