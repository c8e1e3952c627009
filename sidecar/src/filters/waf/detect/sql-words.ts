/**
 * The types of SQL tokens, and the words that are more than names, as far as injections need them. No dialect's grammar, but what MySQL,
 * PostgreSQL, SQL Server, Oracle and SQLite have in common, and of each what attacks use.
 */
import { WordTable } from '../words.ts';

/** Behind the last token. */
export const END = 0;
export const NAME = 1;
export const NUMBER = 2;
/** A literal in quotes that is closed. */
export const STRING = 3;
/** A quote that opens a literal which nothing closes. */
export const OPEN = 4;
/** and, or, xor, &&, || */
export const LOGIC = 5;
/** =, <, >, !=, :=, … */
export const COMPARISON = 6;
/** like, in, is, between, … */
export const WORD_COMPARISON = 7;
/** +, -, *, /, %, ^, |, &, div, … */
export const ARITHMETIC = 8;
export const COMMA = 9;
export const LEFT = 10;
export const RIGHT = 11;
export const SEMICOLON = 12;
/** What begins a comment that runs to the end of the text. What it says follows as tokens, since not every database takes it for a comment. */
export const COMMENT = 13;
/** @a, @@a */
export const VARIABLE = 14;
export const UNION = 15;
export const SELECT = 16;
export const FROM = 17;
export const WHERE = 18;
/** Verbs that begin a statement which changes something. */
export const VERB = 19;
/** null, true, false */
export const CONSTANT = 20;
/** order, group: what is followed by `by`. */
export const ORDERING = 21;
export const BY = 22;
/** having, limit, offset, procedure, into, … */
export const CLAUSE = 23;
export const CASE = 24;
/** Functions that serve little else than attacks. */
export const ATTACK = 25;
/** Functions of everyday SQL. */
export const FUNCTION = 26;
/** Names of system schemas and their tables. */
export const SCHEMA = 27;
/** all, distinct, top: between `union` and `select`, or behind `select`. */
export const QUANTIFIER = 28;
/** table, database, view, … */
export const OBJECT = 29;
/** not, ! */
export const NOT = 30;
/** sleep, delay: what everyday texts have, too. */
export const WAIT = 31;
/** Words between others: as, set, when, then, … */
export const PARTICLE = 32;
/** Words of English that SQL does without. */
export const ENGLISH = 33;
/** Verbs that run code: execute, declare, waitfor, … */
export const EXECUTE = 34;
/** `::int` and the like. */
export const CAST = 35;
/** What SQL has no use for. */
export const OTHER = 36;

export const SQL_WORDS = new WordTable({
  [LOGIC]: 'and or xor',
  [WORD_COMPARISON]: 'like ilike rlike regexp in is between sounds similar glob match',
  [ARITHMETIC]: 'div mod collate',
  [UNION]: 'union intersect except minus',
  [SELECT]: 'select',
  [FROM]: 'from',
  [WHERE]: 'where join natural outer inner cross',
  [VERB]: `insert update delete drop create alter truncate grant revoke merge replace call copy backup restore
    kill load dbcc begin commit rollback openrowset opendatasource handler attach vacuum reconfigure use pragma
    raiserror lock rename bulk if`,
  [EXECUTE]: 'exec execute declare waitfor print prepare deallocate shutdown',
  [CONSTANT]: 'null true false',
  [ORDERING]: 'order group',
  [BY]: 'by',
  [CLAUSE]: 'having limit offset procedure into returning fetch values',
  [CASE]: 'case',
  [ATTACK]: `benchmark pg_sleep extractvalue updatexml load_file xp_cmdshell xp_dirtree xp_regread xp_regwrite xp_fileexist xp_subdirs
    xp_availablemedia xp_enumdsn xp_servicecontrol xp_loginconfig sp_executesql sp_oacreate sp_oamethod sp_password sp_makewebtask sp_addextendedproc
    sp_configure sp_addlogin sp_addsrvrolemember sp_start_job sp_who sp_columns xmltype utl_http utl_inaddr utl_file utl_smtp httpuritype dbms_pipe
    dbms_lock dbms_session dbms_xmlgen dbms_utility dbms_java dbms_export_extension dbms_assert dbms_sql dbms_scheduler dbms_output dbms_ldap ctxsys
    ordsys ctx_report randomblob gtid_subset gtid_subtract name_const make_set st_latfromgeohash st_pointfromgeohash st_longfromgeohash row_count
    group_concat wm_concat listagg string_agg array_agg xmlagg load_extension dblink dblink_connect lo_import lo_export lo_create pg_read_file
    pg_ls_dir pg_stat_file query_to_xml database_to_xml table_to_xml getpgusername is_srvrolemember has_dbaccess fn_virtualfilestats
    fn_varbintohexstr bfilename get_host_address receive_message elt uuid_short release_lock get_lock is_free_lock master_pos_wait regexp_substring
    generate_series serverproperty object_id db_name suser_name suser_sname fn_xe_file_target_read_file fn_get_audit_file fn_trace_gettable
    sys_eval sys_exec openquery ifnull nullif json_depth json_keys json_extract load_xml procedure_analyse substring_index connection_id
    last_insert_id found_rows quote_literal total_changes sqlite_version sqlcipher_export zeroblob hextoraw rawtohex rawtonhex json_storage_size`,
  [FUNCTION]: `char chr ascii ord hex unhex concat concat_ws substring substr mid left right length len char_length datalength count sum min max
    avg version user database schema isnull coalesce nvl iif decode cast convert rand random random_bytes md5 sha1 sha2 encode to_char to_number
    to_base64 from_base64 instr locate position strcmp lower upper lcase ucase reverse repeat rpad lpad floor ceil round abs pow power sqrt now
    sysdate getdate curdate current_timestamp json_value json_length json_array json_object json_type trim space stuff patindex charindex exists any
    some row pi greatest least printf format quote soundex tochar bin oct conv interval unicode nchar str date_format xmlelement xmlforest xmlconcat
    jsonb_build_object to_jsonb to_json json_search json_contains st_astext typeof changes exp polygon linestring multipoint multilinestring
    geometrycollection is_member user_name current_user session_user system_user current_database current_schema schema_name field find_in_set`,
  [SCHEMA]: `information_schema sysobjects syscolumns sysdatabases sysusers sysmessages systables sysibm syscat syspublic sqlite_master
    sqlite_schema sqlite_temp_master pg_catalog pg_tables pg_user pg_shadow pg_database pg_class pg_namespace pg_attribute all_tables all_users
    all_tab_columns all_objects user_tables user_tab_columns dba_users dba_tables v$version v$session msysaccessobjects msysobjects msysqueries
    msysrelationships msysaces performance_schema rdb$database rdb$fields rdb$types table_schema systypes sysservers sysprocesses dual msdb`,
  [QUANTIFIER]: 'all distinct distinctrow top',
  [OBJECT]: 'table database view index login function trigger role sequence tablespace column extension',
  [NOT]: 'not',
  [WAIT]: 'sleep delay',
  [PARTICLE]: `when then else end as set on using with desc asc outfile dumpfile infile data analyse analyze program while for xml time to each
    path raw auto nowait only`,
  [ENGLISH]: `of at the an this that these those your our my his her their its it you we they both more most was were are be been has had have will
    would can could should please there here what who how why about than very just much many`,
});

/** Types that PostgreSQL casts to. */
export const SQL_TYPES = new WordTable({
  1: `int int2 int4 int8 integer bigint smallint text varchar char bpchar bool boolean json jsonb numeric decimal real float float4 float8 double bytea
    date timestamp timestamptz time uuid inet regclass xml money name oid record`,
});

export function isSqlWord(text: Uint8Array, start: number, end: number): boolean {
  return SQL_WORDS.find(text, start, end) !== 0;
}

export function isLiteral(type: number): boolean {
  return type === NUMBER || type === STRING || type === OPEN || type === CONSTANT || type === VARIABLE;
}

/** What may stand before an operand. */
export function isSign(type: number): boolean {
  return type === LEFT || type === NOT || type === ARITHMETIC;
}
