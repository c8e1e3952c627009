# The authority of the mesh: signs, and does nothing else with the key. That of the root is public.
path "pki/sign/workload" {
  capabilities = ["update"]
}
# The certificate of its own HTTPS interface.
path "pki/sign/authority" {
  capabilities = ["update"]
}
