/**
 * The commands of Redis and Valkey: their names as telemetry shows them, where the first key stands, and which of them change how replies
 * are counted.
 *
 * Invariant: only names that stand here, or that are formed like a module's (`JSON.SET`), are ever shown. Whatever else a client sends in
 * a command's place may be a secret in the wrong place and reads `_OTHER`.
 */
import { BoundedNames, type ByteMap, byName, OTHER_NAME } from '../datastore/byte-map.ts';
import type { CommandRole } from '../datastore/in-flight.ts';

export interface RedisCommand {
  readonly name: string;
  readonly role: CommandRole;
  /** Index of the first key among the arguments, the command's name being 0; 0 when there is none, or none is easily found. */
  readonly keyAt: number;
  /** Index of the argument that says how many keys follow; 0 when keys are always there. */
  readonly keyCountAt: number;
  /** The server may be asked to wait: always, or by the option BLOCK. */
  readonly waits: 'never' | 'always' | 'by_option';
  /** By the first argument; null when the command has no subcommands. */
  readonly subcommands: ByteMap<RedisCommand> | null;
}

/** Longer words are no command's name. */
export const COMMAND_NAME_BYTES = 32;

const KEYLESS = `ASKING AUTH BGREWRITEAOF BGSAVE DBSIZE DIGEST ECHO FAILOVER FLUSHALL FLUSHDB INFO KEYS LASTSAVE LOLWUT PFSELFTEST
  PING PUBLISH RANDOMKEY READONLY READWRITE REPLCONF REPLICAOF ROLE SAVE SCAN SELECT SLAVEOF SWAPDB TIME UNWATCH`;

const KEY_FIRST = `APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS CLUSTERSCAN COPY DECR DECRBY DEL DELEX DELIFEQ DUMP EXISTS EXPIRE EXPIREAT
  EXPIRETIME GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GET
  GETBIT GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT
  HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS INCR
  INCRBY INCRBYFLOAT LCS LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MGET MOVE MSET MSETNX PERSIST PEXPIRE
  PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFMERGE PSETEX PTTL RENAME RENAMENX RESTORE RESTORE-ASKING RPOP RPOPLPUSH RPUSH RPUSHX SADD
  SCARD SDIFF SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTER SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP
  SPUBLISH SRANDMEMBER SREM SSCAN STRLEN SUBSTR SUNION SUNIONSTORE TOUCH TTL TYPE UNLINK VADD VCARD VDIM VEMB VGETATTR VINFO VLINKS
  VRANDMEMBER VREM VSETATTR VSIM WATCH XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XLEN XPENDING XRANGE XREVRANGE XSETID XTRIM
  ZADD ZCARD ZCOUNT ZDIFFSTORE ZINCRBY ZINTERSTORE ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE
  ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN
  ZSCORE ZUNIONSTORE`;

const KEY_SECOND = 'BITOP LMPOP MSETEX PFDEBUG SINTERCARD ZDIFF ZINTER ZINTERCARD ZMPOP ZUNION';

const SCRIPTS = 'EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO';

const BLOCKING_KEY_FIRST = 'BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN';

const SUBCOMMANDS = {
  ACL: 'CAT DELUSER DRYRUN GENPASS GETUSER HELP LIST LOAD LOG SAVE SETUSER USERS WHOAMI',
  CLIENT: `CACHING CAPA GETNAME GETREDIR HELP ID IMPORT-SOURCE INFO KILL LIST NO-EVICT NO-TOUCH PAUSE SETINFO SETNAME TRACKING
    TRACKINGINFO UNBLOCK UNPAUSE`,
  CLUSTER: `ADDSLOTS ADDSLOTSRANGE BUMPEPOCH CANCELSLOTMIGRATIONS COUNT-FAILURE-REPORTS COUNTKEYSINSLOT DELSLOTS DELSLOTSRANGE FAILOVER
    FLUSHSLOT FLUSHSLOTS FORGET GETKEYSINSLOT GETSLOTMIGRATIONS HELP INFO KEYSLOT LINKS MEET MIGRATESLOTS MYID MYSHARDID NODES
    REPLICAS REPLICATE RESET SAVECONFIG SET-CONFIG-EPOCH SETSLOT SHARDS SLAVES SLOT-STATS SLOTS SYNCSLOTS`,
  COMMAND: 'COUNT DOCS GETKEYS GETKEYSANDFLAGS HELP INFO LIST',
  COMMANDLOG: 'GET HELP LEN RESET',
  CONFIG: 'GET HELP RESETSTAT REWRITE SET',
  DEBUG: 'SLEEP',
  FUNCTION: 'DELETE DUMP FLUSH HELP KILL LIST LOAD RESTORE STATS',
  LATENCY: 'DOCTOR GRAPH HELP HISTOGRAM HISTORY LATEST RESET',
  MEMORY: 'DOCTOR HELP MALLOC-STATS PURGE STATS',
  MODULE: 'HELP LIST LOAD LOADEX UNLOAD',
  OBJECT: 'HELP',
  PUBSUB: 'CHANNELS HELP NUMPAT NUMSUB SHARDCHANNELS SHARDNUMSUB',
  SCRIPT: 'DEBUG EXISTS FLUSH HELP KILL LOAD SHOW',
  SLOWLOG: 'GET HELP LEN RESET',
  XGROUP: 'HELP',
  XINFO: 'HELP',
};

const SUBCOMMANDS_KEY_SECOND: Readonly<Record<string, string>> = {
  MEMORY: 'USAGE',
  OBJECT: 'ENCODING FREQ IDLETIME REFCOUNT',
  XGROUP: 'CREATE CREATECONSUMER DELCONSUMER DESTROY SETID',
  XINFO: 'CONSUMERS GROUPS STREAM',
};

export const REDIS_COMMANDS: readonly RedisCommand[] = [
  ...words(KEYLESS).map((name) => command(name)),
  ...words(KEY_FIRST).map((name) => command(name, { keyAt: 1 })),
  ...words(KEY_SECOND).map((name) => command(name, { keyAt: 2 })),
  ...words(SCRIPTS).map((name) => command(name, { keyAt: 3, keyCountAt: 2 })),
  ...words(BLOCKING_KEY_FIRST).map((name) => command(name, { keyAt: 1, waits: 'always' })),
  ...words('BLMPOP BZMPOP').map((name) => command(name, { keyAt: 3, waits: 'always' })),
  ...words('WAIT WAITAOF').map((name) => command(name, { waits: 'always' })),
  ...words('XREAD XREADGROUP').map((name) => command(name, { waits: 'by_option' })),
  command('MIGRATE', { keyAt: 3 }),
  ...words('SUBSCRIBE PSUBSCRIBE SSUBSCRIBE').map((name) => command(name, { role: 'subscribe' })),
  ...words('UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE').map((name) => command(name, { role: 'unsubscribe' })),
  command('HELLO', { role: 'hello' }),
  command('MONITOR', { role: 'monitor' }),
  command('MULTI', { role: 'multi' }),
  command('EXEC', { role: 'exec' }),
  command('DISCARD', { role: 'discard' }),
  command('RESET', { role: 'reset' }),
  ...words('SYNC PSYNC').map((name) => command(name, { role: 'replication' })),
  ...words('QUIT SHUTDOWN').map((name) => command(name, { role: 'ending' })),
  ...Object.entries(SUBCOMMANDS).map(([name, list]) => container(name, words(list))),
];

export const UNKNOWN_COMMAND = command(OTHER_NAME);

const KNOWN = byName(REDIS_COMMANDS.map((each) => [each.name, each] as const));

/** Bounds what clients can make up: all modules together have some hundred commands. */
const MODULE_COMMANDS = 512;
const MODULE_NAMES = new BoundedNames(MODULE_COMMANDS);
const BY_MODULE_NAME = new Map<string, RedisCommand>([[OTHER_NAME, UNKNOWN_COMMAND]]);
const MODULE_NAME = /^(AI|BF|CF|CL|CMS|FT|GRAPH|JSON|RG|SEARCH|TDIGEST|TFCALL|TOPK|TS)\.[A-Z_.]+$/;

/** By its name in upper case. */
export function findCommand(bytes: Uint8Array, length: number): RedisCommand {
  const known = KNOWN.get(bytes, 0, length);
  if (known !== undefined) return known;
  return bytes.subarray(0, length).includes(DOT) ? findModuleCommand(bytes, length) : UNKNOWN_COMMAND;
}

const DOT = 0x2e;

function findModuleCommand(bytes: Uint8Array, length: number): RedisCommand {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1');
  if (!MODULE_NAME.test(text)) return UNKNOWN_COMMAND;
  const name = MODULE_NAMES.nameOf(bytes, 0, length);
  let found = BY_MODULE_NAME.get(name);
  if (found === undefined) {
    found = command(name);
    BY_MODULE_NAME.set(name, found);
  }
  return found;
}

function command(name: string, traits: Partial<RedisCommand> = {}): RedisCommand {
  return { name, role: 'ordinary', keyAt: 0, keyCountAt: 0, waits: 'never', subcommands: null, ...traits };
}

function container(name: string, plain: readonly string[]): RedisCommand {
  const withKey = words(SUBCOMMANDS_KEY_SECOND[name] ?? '');
  const subcommands = byName([
    ...plain.map((word) => [word, command(`${name} ${word}`)] as const),
    ...withKey.map((word) => [word, command(`${name} ${word}`, { keyAt: 2 })] as const),
    ...(name === 'CLIENT' ? [['REPLY', command('CLIENT REPLY', { role: 'client_reply' })] as const] : []),
  ]);
  return command(name, { subcommands });
}

function words(list: string): string[] {
  return list.split(/\s+/).filter((word) => word !== '');
}
