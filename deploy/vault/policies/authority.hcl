# The authority of the mesh: signs, and does nothing else with the key. That of the root is public.
path "pki/sign/workload" {
  capabilities = ["update"]
}
