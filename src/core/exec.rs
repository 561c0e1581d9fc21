//! Other programs, with the cluster's key in their environment.

#![expect(
    clippy::disallowed_methods,
    reason = "this is what runs the person's own commands"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use secrecy::{ExposeSecret, SecretString};

use super::sops::{IDENTITY_VARIABLES, KEY_VARIABLE};

/// Becomes the program, with the `environment`, but that the identities in it are
/// these `keys` alone. So its exit code, its signals and its terminal are its own.
/// Returns only if it cannot be started, and why.
pub fn become_program(
    program: &OsStr,
    arguments: &[OsString],
    environment: Vec<(OsString, OsString)>,
    keys: &SecretString,
) -> io::Error {
    let kept = environment
        .into_iter()
        .filter(|(name, _)| !IDENTITY_VARIABLES.iter().any(|variable| name == variable));
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(kept)
        .env(KEY_VARIABLE, keys.expose_secret())
        .exec()
}
