//! `kb` manages Kubernetes secrets that are encrypted with SOPS and age, for
//! people who run Flux on several clusters.
//!
//! Two rules govern everything here: each cluster has its own age keypair, and
//! plaintext or a private key never touches disk.
//!
//! `core` does the work. It never prints and never reads the environment or
//! the working directory by itself. [`cli`] is the command tree: it turns
//! arguments and environment into plain values, calls the core, and prints.

#![forbid(unsafe_code)]

pub mod cli;
#[cfg(feature = "internals")]
pub mod core;
// Private, so that the compiler names what no command needs.
#[cfg(not(feature = "internals"))]
#[allow(unreachable_pub, reason = "the tests' build has it public")]
mod core;
