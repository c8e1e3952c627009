// npm run waf:evaluate -- [--held-out] [--wrong sqli] : what the WAF detects of public lists of attacks, and what it takes for attacks.
import { parseArgs } from 'node:util';
import { readBenignLists } from './benign.ts';
import { measureCost } from './cost.ts';
import { type Attack, readHarmlessSql, readLists } from './lists.ts';
import { type Count, countDetected, countFalse, type Paranoia } from './measure.ts';
import { readMails, readReadmes } from './real.ts';

const { values } = parseArgs({
  options: { 'held-out': { type: 'boolean', default: false }, wrong: { type: 'string' } },
});
const LEVELS: readonly Paranoia[] = [1, 2, 3];
const ATTACKS: readonly Attack[] = ['sqli', 'nosqli', 'prototype-pollution', 'traversal', 'command', 'xss'];

console.log('| attack | list | source | samples | paranoia 1 | paranoia 2 | paranoia 3 |');
console.log('| --- | --- | --- | --- | --- | --- | --- |');
const lists = await readLists();
for (const attack of ATTACKS) {
  for (const list of lists.filter((one) => one.attack === attack && (values['held-out'] || !one.isHeldOut))) {
    const name = list.isHeldOut ? `${list.name} (held out)` : list.name;
    row(
      [attack, name, `${list.source} (${list.licence})`],
      (level) => countDetected(list, level),
      !list.isHeldOut && values.wrong === attack,
    );
  }
}
const benign = await readBenignLists();
const asMany = { name: 'all of these', source: '', requests: benign.flatMap(({ requests }) => requests) };
for (const list of [...benign, asMany, await readMails(false), await readReadmes()]) {
  row(
    ['none', list.name, list.source],
    (level) => countFalse(list, level),
    values.wrong === 'none' && list !== asMany,
  );
}
if (values['held-out']) {
  const mails = await readMails(true);
  row(['none', mails.name, mails.source], (level) => countFalse(mails, level), false);
  const harmless = await readHarmlessSql();
  const requests = harmless.map((text) => {
    const body = Buffer.from(JSON.stringify({ name: text }));
    return { text, show: (inspector: { json(body: Uint8Array): void }) => inspector.json(body) };
  });
  row(
    ['none', 'harmless statements of SQL (held out)', 'pypi protego-sqli 1.0.1'],
    (level) => countFalse({ requests }, level),
    false,
  );
}
console.log();
measureCost();

function row(columns: readonly string[], count: (level: Paranoia) => Count, isTold: boolean): void {
  const counts = LEVELS.map(count);
  const rates = counts.map(({ hits, rate }) => `${(rate * 100).toFixed(1)} % (${hits})`);
  console.log(`| ${[...columns, counts[0]?.total, ...rates].join(' | ')} |`);
  if (isTold) for (const wrong of counts[1]?.wrong ?? []) console.log(`    ${wrong.slice(0, 700)}`);
}
