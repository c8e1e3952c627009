/**
 * Looks for attacks in the parts of one request after another, and tells what it found and where. One is made for a policy; it is synchronous and
 * keeps nothing of a request but its hits.
 */
import { classesOf } from './character.ts';
import { FieldReader } from './detect/fields.ts';
import { type Exception, type Hit, Hits, type Place } from './detect/hits.ts';
import { JsonWalker, type NestedJson } from './detect/json.ts';
import { MOST_NESTED_DOCUMENTS } from './detect/limits.ts';
import { ValueInspector } from './detect/value.ts';

export type { Hit } from './detect/hits.ts';

export interface InspectionSettings {
  /** What is looked for: 1 what harmless requests hardly ever have, 2 also what few of them have, 3 all that is unusual. */
  readonly paranoia: 1 | 2 | 3;
  /** Nesting of JSON. */
  readonly maxDepth: number;
  /** Values looked at in one request. */
  readonly maxFields: number;
  readonly exceptions: readonly Exception[];
}

export type InspectionProblem = '' | 'unparsable' | 'too-deep' | 'too-many-fields';

export class Inspector implements NestedJson {
  private readonly found: Hits;
  private readonly values: ValueInspector;
  private readonly fields: FieldReader;
  private readonly document: JsonWalker;
  private readonly nested: JsonWalker[] = [];
  private nesting = 0;
  private trouble: InspectionProblem = '';

  constructor(settings: InspectionSettings) {
    this.found = new Hits(settings.exceptions);
    this.values = new ValueInspector(this.found, settings.paranoia);
    this.fields = new FieldReader(this.values, this, settings.maxFields);
    this.document = new JsonWalker(this.values, this, settings);
    for (let i = 0; i < MOST_NESTED_DOCUMENTS; i++)
      this.nested.push(new JsonWalker(this.values, this, settings));
  }

  /** Forgets the last request. */
  begin(): void {
    this.found.clear();
    this.trouble = '';
    this.fields.fields = 0;
    this.document.fields = 0;
    for (const walker of this.nested) walker.fields = 0;
  }

  /** Path and query as they came. */
  target(target: string): void {
    const text = Buffer.from(target, 'latin1');
    const query = text.indexOf(0x3f);
    const end = query === -1 ? text.length : query;
    this.values.inspect(text, 0, end, classesOf(text, 0, end), PATH, true);
    if (query !== -1) this.note(this.fields.readForm(text, query + 1, text.length, 'query'));
  }

  header(name: string, value: string): void {
    const text = Buffer.from(value, 'latin1');
    this.values.inspect(text, 0, text.length, classesOf(text, 0, text.length), {
      location: () => `header.${name}`,
    });
  }

  cookies(value: string): void {
    const text = Buffer.from(value, 'latin1');
    this.note(this.fields.readCookies(text, 0, text.length));
  }

  /** application/x-www-form-urlencoded */
  form(body: Uint8Array): void {
    this.note(this.fields.readForm(body, 0, body.length, 'form'));
  }

  /** multipart/form-data */
  multipart(body: Uint8Array, boundary: string): void {
    this.note(this.fields.readMultipart(body, boundary));
  }

  json(body: Uint8Array): void {
    this.note(this.document.walk(body, 0, body.length, null));
  }

  get hits(): readonly Hit[] {
    return this.found.list;
  }

  /** Of all hits, each rule once a place. */
  get score(): number {
    return this.found.score;
  }

  /** Why something was not looked at to its end. */
  get problem(): InspectionProblem {
    return this.trouble;
  }

  /** JSON within a text: what is none was looked at as text, which is enough. */
  inspectNested(text: Uint8Array, start: number, end: number, place: Place): void {
    const walker = this.nested[this.nesting];
    if (walker === undefined) return;
    this.nesting++;
    const problem = walker.walk(text, start, end, place);
    this.nesting--;
    if (problem !== 'unparsable') this.note(problem);
  }

  private note(problem: InspectionProblem): void {
    if (this.trouble === '') this.trouble = problem;
  }
}

const PATH: Place = { location: () => 'path' };
