//! What tests, demo and benchmark encrypt.

/// A Secret as people keep it in Git, in plaintext.
pub const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: apps
stringData:
  # who and how
  user: admin
  password: hunter2-canary
";

/// The value in [`SECRET`] that must never be on a disk.
pub const CANARY: &str = "hunter2-canary";
