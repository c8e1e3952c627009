# A service and its sidecar: what was written for it, its own user of Redis, and the one of shared limits.
path "secret/data/${name}/*" {
  capabilities = ["read"]
}

path "database/creds/${name}" {
  capabilities = ["read"]
}

path "database/creds/rate-limit" {
  capabilities = ["read"]
}

path "sys/leases/renew" {
  capabilities = ["update"]
}
