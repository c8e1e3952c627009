// Turns a readable template into the exact bytes that go on the wire, held as a latin1 string (one character, one byte).
// A line break in the template is CRLF; nothing else about the bytes is implied. What the template cannot show is escaped:
//   \r \n \t \0 \xHH \\      the byte itself
//   \ at the end of a line   no CRLF here, the next line continues this one
// The indentation of the first line that has text is removed from every line. A template that ends on a line of its own ends with CRLF;
// one that ends behind text does not. Substitutions are inserted byte for byte.

export function wire(template: TemplateStringsArray, ...values: (string | number)[]): string {
  // Substitutions stand as private characters while lines and escapes are worked out, so that their bytes stay untouched.
  const source = template.raw.reduce((text, part, i) => text + String.fromCharCode(PRIVATE + i - 1) + part);
  const decoded = decodeEscapes(joinLines(source));
  return decoded.replace(PLACEHOLDERS, (char) => String(values[char.charCodeAt(0) - PRIVATE]));
}

/** The bytes as a person can read them in a test failure. */
export function printable(bytes: string, limit = 1200): string {
  const shown = bytes.length > limit ? `${bytes.slice(0, limit)}` : bytes;
  const text = shown
    // biome-ignore lint/suspicious/noControlCharactersInRegex: naming control characters is what this function is for
    .replace(/[\\\x00-\x1f\x7f-\xff]/g, (char) => NAMED[char] ?? `\\x${hex(char)}`)
    .replaceAll('\\r\\n', '\\r\\n\n');
  return bytes.length > limit ? `${text}… (${bytes.length} bytes)` : text;
}

const PRIVATE = 0xe000;
const PLACEHOLDERS = /[\ue000-\ue0ff]/g;
const NAMED: Record<string, string> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '\0': '\\0', '\\': '\\\\' };

function joinLines(source: string): string {
  const lines = source.split('\n');
  if (lines.length === 1) return source;
  if (lines[0] !== '') throw new Error(`wire: text on the line of the opening backtick: ${lines[0]}`);
  const indentation = /^ */.exec(lines.slice(1).find((line) => line !== '') ?? '')?.[0] ?? '';
  const last = lines.length - 1;
  let out = '';
  for (let i = 1; i <= last; i++) {
    const line = lines[i] ?? '';
    if (i === last && line.trim() === '') break;
    if (line !== '' && !line.startsWith(indentation))
      throw new Error(`wire: line ${i} is indented too little: ${line}`);
    const text = line.slice(indentation.length);
    if (endsWithContinuation(text)) out += text.slice(0, -1);
    else out += i === last ? text : `${text}\r\n`;
  }
  return out;
}

function endsWithContinuation(text: string): boolean {
  const backslashes = /\\*$/.exec(text)?.[0].length ?? 0;
  return backslashes % 2 === 1;
}

function decodeEscapes(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|[\s\S])/gi, (sequence, code: string) => {
    switch (code[0]) {
      case 'r':
        return '\r';
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case '0':
        return '\0';
      case '\\':
      case '`':
      case '$':
        return code;
      case 'x':
        if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    }
    throw new Error(`wire: unknown escape ${sequence}`);
  });
}

function hex(char: string): string {
  return char.charCodeAt(0).toString(16).padStart(2, '0');
}
