# For the config of an OpenBao server, which takes audit devices from there alone. The path is `auditLog` of the applier's config.
audit "file" "file" {
  options {
    file_path = "/openbao/logs/audit.log"
  }
}
