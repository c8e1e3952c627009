import { parseDocument } from 'yaml';

/** Also where an escape is not one of YAML's, as parsers of Go allow. */
export function readYaml(text: string): unknown {
  return parseDocument(text, { logLevel: 'silent' }).toJS();
}

/** RFC 4180. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  for (let at = 0, row: string[] = []; at < text.length; ) {
    let field = '';
    if (text[at] === '"') {
      for (at++; at < text.length; at++) {
        if (text[at] === '"' && text[++at] !== '"') break;
        field += text[at];
      }
    } else {
      const start = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '\n') at++;
      field = text.slice(start, at);
    }
    row.push(field);
    if (text[at++] === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
