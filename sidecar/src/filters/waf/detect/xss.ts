/**
 * Tells markup and script for a browser: elements that run or load something, attributes that handle events, addresses that are scripts. Elements
 * of plain formatting (`<b>`, `<p>`, `<a href="https:…">`) are what editors of text send, and count for little.
 */
import { beginsWith, CLASS, COLON, isLetter, isSpace, isWordByte, MARK, SYNTAX } from '../character.ts';
import { type RuleSet, Rules } from '../rules.ts';
import { WordTable } from '../words.ts';

const ACTIVE = 1;
const HANDLER = 1;
const CALL = 1;

/** Elements that run, load or restyle something by themselves. */
const ELEMENTS = new WordTable({
  [ACTIVE]: `script iframe frame frameset object embed applet base meta link style svg math form isindex xml xss layer ilayer bgsound marquee
    portal import animate set foreignobject animatetransform animatemotion handler listener template noscript`,
});

/** Attributes that handle events. */
const HANDLERS = new WordTable({
  [HANDLER]: `onabort onactivate onafterprint onafterscriptexecute onanimationcancel onanimationend onanimationiteration onanimationstart onauxclick
    onbeforeactivate onbeforecopy onbeforecut onbeforeinput onbeforepaste onbeforeprint onbeforescriptexecute onbeforetoggle onbeforeunload onbegin
    onblur onbounce oncancel oncanplay oncanplaythrough onchange onclick onclose oncontentvisibilityautostatechange oncontextlost oncontextmenu
    oncontextrestored oncopy oncuechange oncut ondblclick ondrag ondragend ondragenter ondragexit ondragleave ondragover ondragstart ondrop
    ondurationchange onemptied onend onended onerror onfilterchange onfinish onfocus onfocusin onfocusout onformdata onfullscreenchange
    ongotpointercapture onhashchange onhelp oninput oninvalid onkeydown onkeypress onkeyup onlanguagechange onlayoutcomplete onload onloadeddata
    onloadedmetadata onloadend onloadstart onlosecapture onlostpointercapture onmessage onmessageerror onmousedown onmouseenter onmouseleave
    onmousemove onmouseout onmouseover onmouseup onmousewheel onmozfullscreenchange onoffline ononline onpagehide onpagereveal onpageshow
    onpageswap onpaste onpause onplay onplaying onpointercancel onpointerdown onpointerenter onpointerleave onpointermove onpointerout
    onpointerover onpointerrawupdate onpointerup onpopstate onprogress onpropertychange onratechange onreadystatechange onrejectionhandled onrepeat
    onreset onresize onrowenter onscroll onscrollend onscrollsnapchange onsearch onsecuritypolicyviolation onseeked onseeking onselect
    onselectionchange onselectstart onshow onslotchange onstalled onstart onstorage onsubmit onsuspend ontimeout ontimeupdate ontoggle ontouchcancel
    ontouchend ontouchmove ontouchstart ontransitioncancel ontransitionend ontransitionrun ontransitionstart onunhandledrejection onunload
    onvolumechange onwaiting onwebkitanimationend onwebkitanimationiteration onwebkitanimationstart onwebkitmouseforcechanged
    onwebkitmouseforcedown onwebkitmouseforceup onwebkitmouseforcewillbegin onwebkitplaybacktargetavailabilitychanged onwebkittransitionend
    onwebkitwillrevealbottom onwheel`,
});

/** Those of `METHOD` count behind a dot, too. */
const METHOD = 2;
const CALLS = new WordTable({
  [CALL]: 'alert confirm prompt eval expression',
  [METHOD]: 'fromcharcode constructor',
});

/** Of the bytes at which something is looked for: `<`, `>`, `:`, `=`, `(`, `[`, `.`. */
const TELLING = SYNTAX | COLON | MARK;

export function inspectXss(
  text: Uint8Array,
  start: number,
  end: number,
  found: RuleSet,
  level: number,
): void {
  let inTag = false;
  for (let i = start; i < end; i++) {
    const byte = text[i] as number;
    if (((CLASS[byte] as number) & TELLING) === 0) continue;
    if (byte === 0x3c) inTag = judgeTag(text, i, end, found, level) || inTag;
    else if (byte === 0x3e) inTag = false;
    else if (byte === 0x3a) judgeScheme(text, i, start, end, inTag, found);
    else if (byte === 0x3d) judgeAttribute(text, i, start, end, inTag, found);
    else if (level < Rules.xssScript.level) continue;
    else if (byte === 0x28) judgeCall(text, i, start, found);
    else if (byte === 0x2e || byte === 0x5b) judgeMember(text, i, start, end, found);
  }
}

/** Whether a tag begins here. */
function judgeTag(text: Uint8Array, at: number, end: number, found: RuleSet, level: number): boolean {
  let i = at + 1;
  while (i < end && (text[i] === 0x2f || isSpace(text[i] as number) || text[i] === 0x00) && i < at + 8) i++;
  if (i >= end) return false;
  const byte = text[i] as number;
  if (byte === 0x21 || byte === 0x3f) {
    if (i === at + 1 && level >= Rules.xssMarkup.level && isMarkupDeclaration(text, i, end))
      found.add(Rules.xssMarkup, at);
    return true;
  }
  if (!isLetter(byte)) return false;
  let stop = i;
  while (
    stop < end &&
    (isWordByte(text[stop] as number) || text[stop] === 0x3a || text[stop] === 0x2d) &&
    stop < i + 32
  )
    stop++;
  let word = i;
  for (let j = i; j < stop; j++) if (text[j] === 0x3a) word = j + 1;
  if (ELEMENTS.find(text, word, stop) === ACTIVE && isTagEnd(text, stop, end)) {
    if (i === at + 1 || text[at + 1] === 0x2f) found.add(Rules.xssTag, at);
  } else if (level >= Rules.xssAnyTag.level && i <= at + 2) {
    found.add(Rules.xssAnyTag, at);
  }
  return i <= at + 2;
}

function isTagEnd(text: Uint8Array, at: number, end: number): boolean {
  if (at >= end) return true;
  const byte = text[at] as number;
  return (
    isSpace(byte) ||
    byte === 0x2f ||
    byte === 0x3e ||
    byte === 0x3c ||
    byte === 0x22 ||
    byte === 0x27 ||
    byte === 0x60 ||
    byte === 0x0c ||
    byte === 0x28
  );
}

const DECLARATIONS = ['!doctype', '!entity', '![cdata', '!attlist', '?xml'].map((word) => Buffer.from(word));

function isMarkupDeclaration(text: Uint8Array, at: number, end: number): boolean {
  return DECLARATIONS.some((word) => beginsWith(text, at, end, word));
}

const SCRIPT_SCHEMES = ['javascript', 'vbscript', 'livescript'].map((word) => Buffer.from(word));
const DATA = Buffer.from('data');
const HTML = [
  'text/html',
  'text/xml',
  'image/svg',
  'application/x',
  'text/javascript',
  ';base64',
  ',',
  'text/vbscript',
].map((word) => Buffer.from(word));

/** `javascript:`, also with the spaces that browsers skip within it. */
function judgeScheme(
  text: Uint8Array,
  colon: number,
  start: number,
  end: number,
  inTag: boolean,
  found: RuleSet,
): void {
  for (const scheme of SCRIPT_SCHEMES) {
    const begin = matchBackwards(text, colon, start, scheme);
    if (begin === -1 || (begin > start && isWordByte(text[begin - 1] as number))) continue;
    const next = colon + 1 < end ? (text[colon + 1] as number) : 0;
    // "JavaScript: the basics"
    if (inTag || isSchemeStart(text, begin, start) || (next !== 0 && !isSpace(next))) {
      if (!(isSpace(next) && !inTag)) found.add(Rules.xssScheme, begin);
    }
  }
  const begin = matchBackwards(text, colon, start, DATA);
  if (begin === -1 || (begin > start && isWordByte(text[begin - 1] as number))) return;
  if (HTML.slice(0, inTag ? HTML.length : 2).some((type) => beginsWith(text, colon + 1, end, type)))
    found.add(Rules.xssScheme, begin);
}

function isSchemeStart(text: Uint8Array, begin: number, start: number): boolean {
  if (begin === start) return true;
  const before = text[begin - 1] as number;
  return before === 0x22 || before === 0x27 || before === 0x3d || before === 0x28;
}

/** Where the word that ends at `at` begins; browsers drop tabs and line ends in addresses. */
function matchBackwards(text: Uint8Array, at: number, start: number, word: Uint8Array): number {
  let i = at - 1;
  let skipped = 0;
  for (let left = word.length - 1; left >= 0; i--) {
    if (i < start) return -1;
    const byte = text[i] as number;
    if ((byte === 0x09 || byte === 0x0a || byte === 0x0d) && skipped++ < 16) continue;
    if ((byte | 0x20) !== word[left--]) return -1;
  }
  return i + 1;
}

const SOURCES = ['srcdoc', 'formaction', 'xlink:href'].map((word) => Buffer.from(word));

function judgeAttribute(
  text: Uint8Array,
  at: number,
  start: number,
  end: number,
  inTag: boolean,
  found: RuleSet,
): void {
  let stop = at;
  while (stop > start && isSpace(text[stop - 1] as number) && stop > at - 8) stop--;
  let begin = stop;
  while (begin > start && isLetter(text[begin - 1] as number) && begin > stop - 48) begin--;
  const before = begin > start ? (text[begin - 1] as number) : 0x20;
  if (
    HANDLERS.find(text, begin, stop) === HANDLER &&
    isAttributeBegin(before, begin === start) &&
    (inTag || isQuoted(text, begin, start) || isCalled(text, at + 1, end))
  ) {
    found.add(Rules.xssHandler, begin);
    return;
  }
  if (!inTag) return;
  for (const word of SOURCES) {
    const from = stop - word.length;
    if (from >= start && beginsWith(text, from, stop, word)) {
      found.add(Rules.xssHandler, from);
      return;
    }
  }
}

function isAttributeBegin(before: number, isFirst: boolean): boolean {
  return (
    isFirst ||
    isSpace(before) ||
    before === 0x2f ||
    before === 0x22 ||
    before === 0x27 ||
    before === 0x60 ||
    before < 0x20 ||
    before === 0x3b
  );
}

/** Some bytes before it a quote ended an attribute. */
function isQuoted(text: Uint8Array, begin: number, start: number): boolean {
  for (let i = begin - 1; i >= start && i > begin - 64; i--) {
    if (text[i] === 0x22 || text[i] === 0x27 || text[i] === 0x60) return true;
  }
  return false;
}

function isCalled(text: Uint8Array, from: number, end: number): boolean {
  const limit = Math.min(end, from + 64);
  for (let i = from; i < limit; i++) if (text[i] === 0x28 || text[i] === 0x60) return true;
  return false;
}

const OBJECTS = new WordTable({ 1: 'document window self top parent frames globalthis' });
const MEMBERS = new WordTable({ 1: 'cookie domain write writeln alert eval location' });

/** `document.cookie`, `window["alert"]` */
function judgeMember(text: Uint8Array, at: number, start: number, end: number, found: RuleSet): void {
  const begin = beginOfWord(text, at, start);
  if (begin === at || OBJECTS.find(text, begin, at) === 0) return;
  const isQuoted = text[at] === 0x5b;
  let stop = at + (isQuoted ? 2 : 1);
  const word = stop;
  while (stop < end && stop < word + 16 && isLetter(text[stop] as number)) stop++;
  if (MEMBERS.find(text, word, stop) !== 0) found.add(Rules.xssScript, begin);
}

/** `'-alert(`, `;eval(`: behind what ends or joins an expression; `alert.call(`, `(alert)(`, `eval(` by themselves. */
function judgeCall(text: Uint8Array, at: number, start: number, found: RuleSet): void {
  let stop = at;
  let isIndirect = false;
  if (at - start > 5 && (beginsWith(text, at - 5, at, DOT_CALL) || beginsWith(text, at - 6, at, DOT_APPLY))) {
    stop = text[at - 5] === 0x2e ? at - 5 : at - 6;
    isIndirect = true;
  } else if (at > start && text[at - 1] === 0x29) {
    stop = at - 1;
    isIndirect = true;
  }
  const begin = beginOfWord(text, stop, start);
  const kind = CALLS.find(text, begin, stop);
  if (kind === METHOD && begin > start && text[begin - 1] === 0x2e) found.add(Rules.xssScript, begin);
  if (kind !== CALL) return;
  if (isIndirect || isWithinScript(text, begin, start) || beginsWith(text, begin, stop, EVAL))
    found.add(Rules.xssScript, begin);
}

const DOT_CALL = Buffer.from('.call');
const DOT_APPLY = Buffer.from('.apply');
const EVAL = Buffer.from('eval');

function beginOfWord(text: Uint8Array, end: number, start: number): number {
  let begin = end;
  while (begin > start && isLetter(text[begin - 1] as number) && begin > end - 16) begin--;
  return begin;
}

function isWithinScript(text: Uint8Array, begin: number, start: number): boolean {
  if (begin === start) return false;
  const before = text[begin - 1] as number;
  return !isWordByte(before) && !isSpace(before) && before !== 0x2e;
}

export function isScriptWord(text: Uint8Array, start: number, end: number): boolean {
  return (
    ELEMENTS.find(text, start, end) !== 0 ||
    HANDLERS.find(text, start, end) !== 0 ||
    CALLS.find(text, start, end) !== 0
  );
}
