//! Asks before a key server that a rule names is used for the first time.

use super::context::Context;
use super::environment::KEY_SERVERS;
use super::failure::Failure;
use super::rule_picker::can_ask;
use crate::cli::message::command::quoted;
use crate::cli::message::safe_text::one_line;
use crate::core::readers::{Reader, Readers};
use crate::core::reencrypt::{FailedFile, FileReencryptError, UndecidedReason};
use crate::core::servers::{Servers, ServersError};

impl Context {
    /// The key servers that were accepted: on this machine, or by `--allow-server`.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn accepted_servers(&self) -> Result<Servers, Failure> {
        let allowed = self.common.allow_server.iter().cloned();
        Ok(Servers::load(self.environment.key_servers(), allowed)?)
    }
}

/// Makes sure that the servers of all `readers` were accepted. On a terminal it asks, and
/// remembers the answer. `named_by` says what names them, as in "the rule at
/// .sops.yaml:2:5".
///
/// # Errors
/// When one of them was not accepted; then none may be contacted.
pub fn require_accepted(
    context: &Context,
    servers: &mut Servers,
    named_by: &str,
    readers: &Readers,
) -> Result<(), Failure> {
    for server in servers.not_accepted(readers) {
        if !can_ask(&context.report) {
            return Err(not_accepted(named_by, &server).hint(format!(
                "if you trust it, for one run: --allow-server {}; on a terminal kb asks once",
                quoted(&server)
            )));
        }
        if !is_accepted(context, named_by, &server) {
            return Err(not_accepted(named_by, &server).hint("nothing was sent to it"));
        }
        servers.accept(&server)?;
    }
    Ok(())
}

/// Asks about the servers that keep files from being re-encrypted, each once. Whether one
/// was accepted.
///
/// # Errors
/// When an answer cannot be remembered.
pub fn ask_about(
    context: &Context,
    servers: &mut Servers,
    left: &[FailedFile],
) -> Result<bool, Failure> {
    if !can_ask(&context.report) {
        return Ok(false);
    }
    let mut refused = Vec::new();
    let mut any = false;
    for trouble in left {
        let FileReencryptError::Undecided(UndecidedReason::Server(readers)) = &trouble.why else {
            continue;
        };
        let named_by = format!("the rule of {}", one_line(&trouble.path));
        for server in readers.iter().filter_map(Reader::server) {
            if refused.contains(&server) || servers.accepts_name(&server) {
                continue;
            }
            if is_accepted(context, &named_by, &server) {
                servers.accept(&server)?;
                any = true;
            } else {
                refused.push(server);
            }
        }
    }
    Ok(any)
}

fn not_accepted(named_by: &str, server: &str) -> Failure {
    Failure::new(format!(
        "{named_by} names the key server {server}, which was not accepted on this machine"
    ))
}

fn is_accepted(context: &Context, named_by: &str, server: &str) -> bool {
    // The name is a pull request's: what it does to the terminal is the report's business,
    // but its line ends must not look like kb's own words.
    let server = server.escape_debug();
    let how = match server.to_string().starts_with("http://") {
        true => " without encryption",
        false => "",
    };
    context.report.confirm(&format!(
        "{named_by} names the key server {server}: the data key is sent there{how}, with \
         your credentials for it. Use it, now and later?"
    ))
}

impl From<ServersError> for Failure {
    fn from(error: ServersError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ServersError::Read { .. } | ServersError::Write(_) => failure.hint(format!(
                "kb remembers them in {KEY_SERVERS}; --allow-server URL accepts one for one run"
            )),
            ServersError::Name { .. } => failure.hint("look at the rule that names it"),
        }
    }
}
