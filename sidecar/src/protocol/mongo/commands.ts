/**
 * The commands of MongoDB, as telemetry shows them.
 *
 * Invariant: only names that stand here are ever shown, and the value behind a command's name only where it is known to be a collection:
 * with `createUser` it is a user.
 */
import { byName } from '../datastore/byte-map.ts';

export interface MongoCommand {
  readonly name: string;
  /** Where the collection stands: behind the command's name, or in a field `collection`. */
  readonly collection: 'first' | 'field' | 'none';
}

const ON_COLLECTIONS = `aggregate analyze cleanupStructuredEncryptionData cloneCollectionAsCapped collMod collStats compact
  compactStructuredEncryptionData convertToCapped count create createIndexes createSearchIndexes dataSize delete deleteIndexes distinct
  drop dropIndexes dropSearchIndex filemd5 find findAndModify findandmodify geoSearch group insert killCursors listIndexes mapReduce
  mapreduce planCacheClear planCacheClearFilters planCacheListFilters planCacheSetFilter reIndex setQuerySettings update
  updateSearchIndex validate`;

const ON_OTHERS = `abortTransaction abortReshardCollection addShard appendOplogNote authenticate autoCompact balancerCollectionStatus
  balancerStart balancerStatus balancerStop buildInfo buildinfo bulkWrite checkMetadataConsistency commitTransaction connPoolStats
  connectionStatus coordinateCommitTransaction createRole createUser currentOp dbHash dbStats dbstats drainConnections driverOIDCTest
  dropAllRolesFromDatabase dropAllUsersFromDatabase dropConnections dropDatabase dropRole dropUser enableSharding endSessions explain
  features flushRouterConfig fsync fsyncUnlock getAuditConfig getClusterParameter getCmdLineOpts getDefaultRWConcern getLastError
  getLog getMore getParameter getShardMap getnonce grantPrivilegesToRole grantRolesToRole grantRolesToUser hello hostInfo
  invalidateUserCache isMaster isdbgrid ismaster killAllSessions killAllSessionsByPattern killOp killSessions listCollections
  listCommands listDatabases listShards lockInfo logRotate logout moveChunk moveCollection movePrimary netstat ping profile
  refineCollectionShardKey refreshSessions removeShard renameCollection replSetAbortPrimaryCatchUp replSetFreeze replSetGetConfig
  replSetGetStatus replSetHeartbeat replSetInitiate replSetReconfig replSetResizeOplog replSetStepDown replSetSyncFrom
  replSetUpdatePosition reshardCollection revokePrivilegesFromRole revokeRolesFromRole revokeRolesFromUser rolesInfo
  rotateCertificates saslContinue saslStart serverStatus setAuditConfig setClusterParameter setDefaultRWConcern
  setFeatureCompatibilityVersion setFreeMonitoring setIndexCommitQuorum setParameter setProfilingLevel shardCollection
  shardConnPoolStats shardingState shutdown split startSession top updateRole updateUser usersInfo whatsmyuri`;

export const MONGO_COMMANDS = byName<MongoCommand>([
  ...words(ON_COLLECTIONS).map((name) => [name, { name, collection: 'first' }] as const),
  ...words(ON_OTHERS).map(
    (name) => [name, { name, collection: name === 'getMore' ? 'field' : 'none' }] as const,
  ),
]);

function words(list: string): string[] {
  return list.split(/\s+/);
}
