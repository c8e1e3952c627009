/**
 * Tells commands for a shell: behind what separates or substitutes commands there is the name of a program, and what follows looks like its
 * arguments. Quotes, backslashes and empty variables within the name (`c'a't`, `c\at`, `c$@at`) are what shells drop, and are dropped here.
 */
import { ANGLE, beginsWith, CLASS, isDigit, isLetter, isSpace, isWordByte, SHELL } from '../character.ts';
import { type RuleSet, Rules } from '../rules.ts';
import { WordTable } from '../words.ts';

/** Programs that no text means. */
const PROGRAM = 1;
/** Programs whose names are everyday words: they count with arguments. */
const WORD = 2;

const PROGRAMS = new WordTable({
  [PROGRAM]: `ls cat id whoami uname pwd wget curl nc ncat netcat nmap bash sh zsh ksh csh dash ash tcsh busybox python python2 python3 perl ruby php
    node lua gcc ping ping6 nslookup dig ifconfig ipconfig netstat ps chmod chown cp mv rm mkdir rmdir awk gawk sed grep egrep xargs tee base64 xxd
    printenv systeminfo tasklist taskkill wmic powershell pwsh cmd certutil bitsadmin rundll32 regsvr32 mshta cscript wscript telnet ftp tftp scp
    ssh socat openssl crontab useradd adduser usermod passwd sudo su nohup kill killall pkill tar gzip gunzip dd mkfifo mknod lsof hostname ipaddr
    getent phpinfo tac head nl od strings rev vi vim nano ed chroot mount umount insmod route arp tracert traceroute findstr setenv lynx w3m aria2c fetch
    shutdown reboot poweroff halt init systemctl`,
  [WORD]: `echo sleep set env export type dir del erase copy move more less tail sort find date time which who last top cut test touch read host
    net start exec eval source printf print file ip at nice watch users groups man help ver vol tree path call exit history jobs locate link ln
    reg sc if for while function let true false split join paste comm diff timeout pause rename`,
});

const TELLING = SHELL | ANGLE;

export function inspectCommand(text: Uint8Array, start: number, end: number, found: RuleSet): void {
  const areLinesCommands = end - start <= LONGEST_SCRIPT;
  for (let i = start; i < end; i++) {
    const byte = text[i] as number;
    if (((CLASS[byte] as number) & TELLING) === 0) continue;
    switch (byte) {
      case 0x3b: // ;
      case 0x7c: // |
      case 0x26: // &
      case 0x0a:
        if ((byte !== 0x0a || areLinesCommands) && isCommand(text, i + 1, end, byte)) {
          found.add(Rules.commandChain, i);
          return;
        }
        break;
      case 0x60: // `
        if (
          isClosed(text, i + 1, end) &&
          isCommand(text, i + 1, end, byte) &&
          !isMarkup(text, i, start, end)
        ) {
          found.add(Rules.commandSubstitution, i);
          return;
        }
        break;
      case 0x24: // $
        if (
          text[i + 1] === 0x28 &&
          i + 2 < end &&
          (text[i + 2] === 0x28 || isCommand(text, i + 2, end, byte))
        ) {
          found.add(Rules.commandSubstitution, i);
          return;
        }
        if (text[i + 1] === 0x7b && i + 5 <= end && isIfs(text, i + 2)) {
          found.add(Rules.commandSubstitution, i);
          return;
        }
        if (isIfs(text, i + 1) && i + 4 < end && !isLetter(text[i + 4] as number)) {
          found.add(Rules.commandSubstitution, i);
          return;
        }
        break;
      case 0x3c: // <
        if (text[i + 1] === 0x28 && i + 1 < end && isCommand(text, i + 2, end, byte)) {
          found.add(Rules.commandSubstitution, i);
          return;
        }
        break;
      default:
        break;
    }
  }
  inspectShells(text, start, end, found);
}

/** Of a value whose lines may be commands: longer ones with line ends are texts. */
const LONGEST_SCRIPT = 256;
const LONGEST_NAME = 24;
const name = new Uint8Array(LONGEST_NAME);

/** Reads the name of a program as a shell does, with its folder left out. */
function isCommand(text: Uint8Array, from: number, end: number, separator: number): boolean {
  let at = from;
  let spaces = 0;
  while (
    at < end &&
    spaces < 8 &&
    (isSpace(text[at] as number) || text[at] === 0x28 || text[at] === 0x7b || text[at] === 0x22)
  ) {
    at++;
    spaces++;
  }
  let length = 0;
  let hasPath = false;
  let isHidden = false;
  let quotes = 0;
  const limit = Math.min(end, at + 96);
  for (; at < limit; at++) {
    const byte = text[at] as number;
    if (byte === 0x2f) {
      hasPath = true;
      length = 0;
    } else if (isWordByte(byte) && byte < 0x80) {
      if (length === LONGEST_NAME) return false;
      name[length++] = byte;
    } else if (byte === 0x3f || byte === 0x2a || byte === 0x5c || byte === 0x27 || byte === 0x22) {
      if (byte === 0x27 || byte === 0x22) quotes++;
      isHidden ||= length > 0 && at + 1 < end && isLetter(text[at + 1] as number);
      if (byte === 0x3f || byte === 0x2a) isHidden = hasPath;
    } else if (
      byte === 0x24 &&
      at + 1 < end &&
      (text[at + 1] === 0x40 || text[at + 1] === 0x2a || isDigit(text[at + 1] as number))
    ) {
      isHidden = true;
      at++;
    } else {
      break;
    }
  }
  // "I'd" is no `id`: quotes within a word come in pairs.
  if (quotes % 2 === 1) isHidden = false;
  if (hasPath && isHidden && length === 0) return true;
  let stop = length;
  // ping6 and python3.11 are names; `.exe` is no part of one.
  const kind = PROGRAMS.find(name, 0, stop);
  if (kind === 0) {
    while (stop > 0 && isDigit(name[stop - 1] as number)) stop--;
    return hasPath && isHidden;
  }
  if (isHidden || (hasPath && kind === PROGRAM)) return true;
  return hasArguments(text, at, end, kind, separator);
}

/** Whether what follows a name are arguments, or an end. */
function hasArguments(text: Uint8Array, from: number, end: number, kind: number, separator: number): boolean {
  let at = from;
  if (at + 3 < end && text[at] === 0x2e && ((text[at + 1] as number) | 0x20) === 0x65) at += 4;
  if (at >= end) return kind === PROGRAM || separator === 0x3b || separator === 0x26;
  const byte = text[at] as number;
  if (isEnd(byte)) return kind === PROGRAM || separator === 0x24 || separator === 0x60;
  if (byte === 0x3c || byte === 0x3e) return true;
  if (!isSpace(byte) && byte !== 0x2b) return byte === 0x24;
  while (at < end && (isSpace(text[at] as number) || text[at] === 0x2b)) at++;
  if (at >= end) return kind === PROGRAM || separator === 0x3b || separator === 0x26;
  const argument = text[at] as number;
  if (isEnd(argument) && argument !== 0x7c) return kind === PROGRAM;
  if (argument === 0x7c) return kind === PROGRAM && separator !== 0x7c;
  if (argument === 0x2d || argument === 0x2f || argument === 0x24 || argument === 0x3e || argument === 0x3c)
    return true;
  if (
    argument === 0x22 ||
    argument === 0x27 ||
    isDigit(argument) ||
    argument === 0x2e ||
    argument === 0x5c ||
    argument === 0x2a
  )
    return separator !== 0x0a;
  return (
    kind === PROGRAM && (isNamed(text, at, end) || (separator !== 0x0a && isLastArgument(text, at, end)))
  );
}

/** One word, and the end or the next command behind it: `; cat flag`, and not `; cat food, …`. */
function isLastArgument(text: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end && at < from + 64 && isWordByte(text[at] as number)) at++;
  if (at === end) return true;
  const byte = text[at] as number;
  return at > from && byte !== 0x7c && isEnd(byte);
}

/** An argument with a dot or a slash in it, as names of files and hosts have. */
function isNamed(text: Uint8Array, from: number, end: number): boolean {
  const limit = Math.min(end, from + 64);
  for (let at = from; at < limit && !isSpace(text[at] as number); at++) {
    const byte = text[at] as number;
    if ((byte === 0x2e || byte === 0x2f) && at + 1 < end && isWordByte(text[at + 1] as number)) return true;
  }
  return false;
}

function isEnd(byte: number): boolean {
  return (
    byte === 0x3b ||
    byte === 0x7c ||
    byte === 0x26 ||
    byte === 0x60 ||
    byte === 0x29 ||
    byte === 0x0a ||
    byte === 0x23 ||
    byte === 0x7d
  );
}

/** Somewhere near there is the other backtick. */
function isClosed(text: Uint8Array, from: number, end: number): boolean {
  const limit = Math.min(end, from + 256);
  for (let at = from; at < limit; at++) if (text[at] === 0x60) return true;
  return false;
}

/** Markdown has code between backticks, with text around it. */
function isMarkup(text: Uint8Array, at: number, start: number, end: number): boolean {
  if (at === start) return text[start + 1] === 0x60 || hasProse(text, start, end);
  const before = text[at - 1] as number;
  return (
    before === 0x60 ||
    (isSpace(before) && at - start > 1 && isLetter(text[at - 2] as number)) ||
    before === 0x0a ||
    (isSpace(before) && hasProse(text, start, end))
  );
}

/** A text of some length, with spaces outside of its code. */
function hasProse(text: Uint8Array, start: number, end: number): boolean {
  let spaces = 0;
  for (let at = start; at < end && spaces < 6; at++) if (text[at] === 0x20) spaces++;
  return spaces === 6;
}

function isIfs(text: Uint8Array, at: number): boolean {
  return text[at] === 0x49 && text[at + 1] === 0x46 && text[at + 2] === 0x53;
}

const SHELLS: readonly Uint8Array[] = [
  '/bin/sh',
  '/bin/bash',
  '/bin/cat',
  '/bin/ls',
  '/bin/nc',
  '/dev/tcp/',
  '/dev/udp/',
  'cmd.exe /c',
  'cmd /c',
  'powershell -',
  '() {',
  '() { :',
  'wget http',
  'curl http',
  'bash -i',
  'bash -c',
  'sh -c',
  'nc -e',
].map((word) => Buffer.from(word));

function inspectShells(text: Uint8Array, start: number, end: number, found: RuleSet): void {
  const first = text[start] as number;
  for (const shell of SHELLS) {
    if (first === shell[0] && beginsWith(text, start, end, shell)) {
      found.add(Rules.commandShell, start);
      return;
    }
  }
}

export function isProgram(text: Uint8Array, start: number, end: number): boolean {
  return PROGRAMS.find(text, start, end) !== 0;
}
