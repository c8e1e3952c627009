/**
 * The requests of Kafka by their keys, as telemetry shows them, and what of their layout has to be known to read them.
 */

/** In the order of their keys. */
const NAMES =
  `produce fetch list_offsets metadata leader_and_isr stop_replica update_metadata controlled_shutdown offset_commit
  offset_fetch find_coordinator join_group heartbeat leave_group sync_group describe_groups list_groups sasl_handshake api_versions
  create_topics delete_topics delete_records init_producer_id offset_for_leader_epoch add_partitions_to_txn add_offsets_to_txn end_txn
  write_txn_markers txn_offset_commit describe_acls create_acls delete_acls describe_configs alter_configs alter_replica_log_dirs
  describe_log_dirs sasl_authenticate create_partitions create_delegation_token renew_delegation_token expire_delegation_token
  describe_delegation_token delete_groups elect_leaders incremental_alter_configs alter_partition_reassignments
  list_partition_reassignments offset_delete describe_client_quotas alter_client_quotas describe_user_scram_credentials
  alter_user_scram_credentials vote begin_quorum_epoch end_quorum_epoch describe_quorum alter_partition update_features envelope
  fetch_snapshot describe_cluster describe_producers broker_registration broker_heartbeat unregister_broker describe_transactions
  list_transactions allocate_producer_ids consumer_group_heartbeat consumer_group_describe controller_registration
  get_telemetry_subscriptions push_telemetry assign_replicas_to_dirs list_config_resources describe_topic_partitions
  share_group_heartbeat share_group_describe share_fetch share_acknowledge add_raft_voter remove_raft_voter
  update_raft_voter initialize_share_group_state read_share_group_state write_share_group_state delete_share_group_state
  read_share_group_state_summary streams_group_heartbeat streams_group_describe describe_share_group_offsets
  alter_share_group_offsets delete_share_group_offsets`.split(/\s+/);

/** Keys and versions above these belong to no Kafka that there is: the connection speaks something else. */
export const MAX_API_KEY = 255;
export const MAX_API_VERSION = 63;

export const PRODUCE = 0;
export const FETCH = 1;
export const METADATA = 3;
const FIND_COORDINATOR = 10;
const JOIN_GROUP = 11;
const HEARTBEAT = 12;
const LEAVE_GROUP = 13;
const SYNC_GROUP = 14;
export const SASL_HANDSHAKE = 17;
const INIT_PRODUCER_ID = 22;
const ADD_OFFSETS_TO_TXN = 25;
const END_TXN = 26;
const SASL_AUTHENTICATE = 36;
const CONSUMER_GROUP_HEARTBEAT = 68;
const SHARE_FETCH = 78;

const NEVER = Number.POSITIVE_INFINITY;

/** First version whose header and body have tagged fields and compact lengths, for the requests whose body is read. */
const FLEXIBLE_SINCE = new Map([
  [PRODUCE, 9],
  [FETCH, 12],
  [METADATA, 9],
  [FIND_COORDINATOR, 3],
  [JOIN_GROUP, 6],
  [HEARTBEAT, 4],
  [LEAVE_GROUP, 4],
  [SYNC_GROUP, 4],
  [INIT_PRODUCER_ID, 2],
  [ADD_OFFSETS_TO_TXN, 3],
  [END_TXN, 3],
  [SASL_AUTHENTICATE, 2],
  [CONSUMER_GROUP_HEARTBEAT, 0],
]);

/** Responses that begin with their error code, and since which version a throttle time stands before it. */
const THROTTLE_SINCE = new Map([
  [JOIN_GROUP, 2],
  [HEARTBEAT, 1],
  [LEAVE_GROUP, 1],
  [SYNC_GROUP, 1],
  [SASL_HANDSHAKE, NEVER],
  [SASL_AUTHENTICATE, NEVER],
  [INIT_PRODUCER_ID, 0],
  [ADD_OFFSETS_TO_TXN, 0],
  [END_TXN, 0],
  [CONSUMER_GROUP_HEARTBEAT, 0],
]);
/** From here on its error codes stand in a list. */
const FIND_COORDINATOR_BATCHED = 4;

/** Layouts of newer versions are not known yet: such messages are timed, and not looked into. */
const KNOWN_VERSIONS = new Map([
  [PRODUCE, 13],
  [FETCH, 18],
  [METADATA, 13],
]);

/** Undefined for a request that is not known here. */
export function apiName(key: number): string | undefined {
  return NAMES[key];
}

export function isFlexible(key: number, version: number): boolean {
  return version >= (FLEXIBLE_SINCE.get(key) ?? NEVER);
}

export function isKnownVersion(key: number, version: number): boolean {
  return version <= (KNOWN_VERSIONS.get(key) ?? -1);
}

/** Where the error code stands in a response, behind its header: at 0, at 4 behind a throttle time, or -1 when it is not read. */
export function errorOffset(key: number, version: number): number {
  if (key === FIND_COORDINATOR) return version >= FIND_COORDINATOR_BATCHED ? -1 : version >= 1 ? 4 : 0;
  const since = THROTTLE_SINCE.get(key);
  return since === undefined ? -1 : version >= since ? 4 : 0;
}

/** The broker waits before it answers: for records, or for the other members of a group. */
export function isWaiting(key: number): boolean {
  return key === FETCH || key === SHARE_FETCH || key === JOIN_GROUP || key === SYNC_GROUP;
}
