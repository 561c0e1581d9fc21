//! Credential plugins: the `exec` section of a kubeconfig's user.
//!
//! Specification: `client.authentication.k8s.io/v1`,
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.
//!
//! kube would run the plugin itself, but three times per client, and a cloud
//! login takes seconds. Here it runs once, and what it answers is put into the
//! configuration as if it had stood in the kubeconfig.

#![expect(clippy::disallowed_methods, reason = "this is what runs the plugins")]

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::kubeconfig::{ClusterTarget, Exec, bearer};
use crate::core::process_tree;
use crate::core::yaml;

/// How long a plugin may take on a terminal, where someone may have to log in, and
/// elsewhere. The time limit of requests does not count: none has begun.
const LIMIT_ON_TERMINAL: Duration = Duration::from_secs(5 * 60);
const LIMIT: Duration = Duration::from_secs(60);
/// No plugin answers with more, in bytes: a token or a certificate has a few KiB.
const LARGEST_ANSWER: usize = 1 << 20;
/// How often a plugin that has closed its stdout is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// Why a plugin gave no credentials. What it printed on stdout is never shown:
/// it may hold a token.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The program is not there.
    #[error("it is not installed")]
    NotInstalled {
        /// The kubeconfig's `installHint`; empty if there is none.
        install_hint: String,
    },
    /// The program could not be started for another reason.
    #[error("it cannot be started")]
    Start(#[source] io::Error),
    /// It ended with an error; its own words are on stderr already.
    #[error("it failed ({0})")]
    Failed(ExitStatus),
    /// It must ask a person, and there is no terminal.
    #[error("it needs a terminal (interactiveMode: Always), and stdin is not a terminal")]
    NoTerminal,
    /// It did not answer in time, and was ended.
    #[error("it did not answer within {} s", .limit.as_secs_f64())]
    TimedOut {
        /// How long kb waited.
        limit: Duration,
    },
    /// Its answer cannot be read.
    #[error("its answer cannot be read")]
    Read(#[source] io::Error),
    /// Its answer is not an ExecCredential.
    #[error("its answer is not an ExecCredential with a token or a client certificate")]
    Answer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: String,
    kind: String,
    status: Option<CredentialStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialStatus {
    token: Option<SecretString>,
    client_certificate_data: Option<String>,
    client_key_data: Option<SecretString>,
}

/// A plugin that gave no credentials.
#[derive(Debug, thiserror::Error)]
#[error("the credential plugin \"{command}\" of the kubeconfig gave no credentials")]
pub struct PluginFailure {
    /// The plugin's program.
    pub command: String,
    /// Why.
    pub source: PluginError,
}

/// Runs the plugin of `target`, if its login needs one, and puts its answer in the plugin's
/// place.
pub(super) fn resolve(target: &mut ClusterTarget) -> Result<(), PluginFailure> {
    let Some(exec) = target.exec.take() else {
        return Ok(());
    };
    let failed = |source| PluginFailure {
        command: exec.command.clone(),
        source,
    };
    let status = run(&exec, target.terminal, &target.environment).map_err(failed)?;
    let user = &mut target.config.auth_info;
    let token = status
        .token
        .filter(|token| !token.expose_secret().is_empty());
    let token = token.map(|token| bearer(token.expose_secret())).transpose();
    user.token = token.map_err(|_| failed(PluginError::Answer))?;
    let certificate = status.client_certificate_data.unwrap_or_default();
    let key = status.client_key_data.unwrap_or_default();
    match (certificate.is_empty(), key.expose_secret().is_empty()) {
        (false, false) => {
            // The plugin answers in PEM; a kubeconfig contains base64 of PEM.
            user.client_certificate_data = Some(STANDARD.encode(certificate));
            let key = STANDARD.encode(key.expose_secret());
            user.client_key_data = Some(SecretString::from(key));
            Ok(())
        }
        (true, true) if user.token.is_some() => Ok(()),
        _ => Err(failed(PluginError::Answer)),
    }
}

fn run(
    exec: &Exec,
    terminal: bool,
    environment: &[(OsString, OsString)],
) -> Result<CredentialStatus, PluginError> {
    // An interactive plugin may use the terminal, but never swallows a stdin
    // that somebody pipes into kb.
    let interactive = match exec.interactive_mode.as_str() {
        "Never" => false,
        "Always" if !terminal => return Err(PluginError::NoTerminal),
        _ => terminal,
    };
    let mut spec = serde_json::json!({ "interactive": interactive });
    if let Some(cluster) = &exec.cluster {
        spec["cluster"] = cluster.clone();
    }
    let info = serde_json::json!({
        "apiVersion": exec.api_version,
        "kind": "ExecCredential",
        "spec": spec,
    });
    let not_installed = || PluginError::NotInstalled {
        install_hint: exec.install_hint.clone(),
    };
    let mut command = Command::new(find(&exec.command, environment).ok_or_else(not_installed)?);
    command
        .args(&exec.args)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .envs(exec.env.iter().map(|(name, value)| (name, value)))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        // As with kubectl, so that "open this page and enter the code" is seen.
        .stderr(Stdio::inherit());
    let limit = match terminal {
        true => LIMIT_ON_TERMINAL,
        false => LIMIT,
    };
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_installed(),
        _ => PluginError::Start(error),
    })?;
    let answer = answer_of(&mut child, limit);
    if answer.is_err() {
        process_tree::end(&mut child);
    }
    let credential = parse(&answer?).ok_or(PluginError::Answer)?;
    if credential.kind != "ExecCredential" || credential.api_version != exec.api_version {
        return Err(PluginError::Answer);
    }
    credential.status.ok_or(PluginError::Answer)
}

/// The program of a plugin. As in Go (`exec.ErrDot`) a directory of the `PATH` that is
/// relative does not count: it may be a stranger's repository.
fn find(command: &str, environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    if command.contains('/') {
        return Some(command.into());
    }
    let path = environment.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new(""), |(_, path)| path);
    let absolute = std::env::split_paths(path).filter(|directory| directory.is_absolute());
    let absolute = std::env::join_paths(absolute).ok()?;
    which::which_in(command, Some(absolute), Path::new("/")).ok()
}

/// Reads an answer: JSON, or the first document of YAML, which client-go's codec takes too
/// (`UniversalDecoder`) and some plugins print.
fn parse(answer: &[u8]) -> Option<ExecCredential> {
    if let Ok(credential) = serde_json::from_slice(answer) {
        return Some(credential);
    }
    let first = yaml::values(answer).ok()?.into_iter().next()?;
    serde_json::from_value(first).ok()
}

/// What the plugin prints until its end.
fn answer_of(child: &mut Child, limit: Duration) -> Result<Zeroizing<Vec<u8>>, PluginError> {
    let end = Instant::now() + limit;
    let late = || PluginError::TimedOut { limit };
    let mut answer = Zeroizing::new(Vec::new());
    let mut part = Zeroizing::new([0; 4096]);
    let mut stdout = child.stdout.take();
    while let Some(pipe) = &mut stdout {
        let left = end
            .checked_duration_since(Instant::now())
            .ok_or_else(late)?;
        let left = Timespec::try_from(left).map_err(|_| late())?;
        let mut polled = [PollFd::new(pipe, PollFlags::IN)];
        match poll(&mut polled, Some(&left)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(PluginError::Read(errno.into())),
        }
        match pipe.read(&mut *part).map_err(PluginError::Read)? {
            0 => stdout = None,
            read => answer.extend_from_slice(&part[..read]),
        }
        if answer.len() > LARGEST_ANSWER {
            return Err(PluginError::Answer);
        }
    }
    loop {
        match child.try_wait().map_err(PluginError::Read)? {
            Some(status) if status.success() => return Ok(answer),
            Some(status) => return Err(PluginError::Failed(status)),
            None if Instant::now() >= end => return Err(late()),
            None => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_json_and_in_yaml() {
        let token = |answer: &str| {
            let token = parse(answer.as_bytes())?.status?.token?;
            Some(token.expose_secret().to_owned())
        };
        for answer in [
            r#"{"apiVersion": "v", "kind": "ExecCredential", "status": {"token": "t"}}"#,
            "apiVersion: v\nkind: ExecCredential\nstatus:\n  token: t\n",
            "# cached\n---\n{apiVersion: v, kind: k, status: {token: t}}\n---\nstatus: {token: other}\n",
        ] {
            assert_eq!(token(answer).as_deref(), Some("t"), "{answer}");
        }
        for answer in [
            "",
            "error",
            "[]",
            "status: {token: t}",
            "{apiVersion: v, kind: k, status: {token: [t]}}",
            "status: {",
        ] {
            assert_eq!(token(answer), None, "{answer}");
        }
    }

    fn answer(script: &str, limit: Duration) -> (Child, Result<Vec<u8>, PluginError>) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let answer = answer_of(&mut child, limit).map(|answer| answer.to_vec());
        (child, answer)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_prints_until_its_end_is_its_answer() {
        let (_, printed) = answer("printf a; sleep 0.05; printf b", LONG);
        assert_eq!(printed.expect("an answer"), b"ab");
        let (_, failed) = answer("printf a; exit 3", LONG);
        assert!(matches!(failed, Err(PluginError::Failed(_))), "{failed:?}");
        let (_, endless) = answer("exec cat /dev/zero", LONG);
        assert!(matches!(endless, Err(PluginError::Answer)), "{endless:?}");
    }

    /// Also one that answers and does not end, that closes its stdout and goes on, and whose
    /// child holds its stdout.
    #[test]
    fn one_that_does_not_end_is_ended_with_its_children() {
        for script in [
            "sleep 60 & echo $!; wait",
            "sleep 60 & echo $!; exec >&-; wait",
            "trap '' TERM; sleep 60 & echo $!; wait; wait; sleep 60",
        ] {
            // The limit is short, but for the line that every script prints first.
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::piped());
            let mut child = command.spawn().expect("a shell");
            let mut line = Vec::new();
            let pipe = child.stdout.as_mut().expect("a pipe");
            while line.last() != Some(&b'\n') {
                let mut byte = [0];
                pipe.read_exact(&mut byte).expect("a line");
                line.push(byte[0]);
            }
            let answer = answer_of(&mut child, Duration::from_millis(10));
            assert!(matches!(answer, Err(PluginError::TimedOut { .. })));
            process_tree::end(&mut child);
            let sleeping = String::from_utf8_lossy(&line).trim().to_owned();
            let deadline = Instant::now() + LONG;
            // One that nobody waits for stays as a zombie.
            let runs = || {
                let stat = std::fs::read_to_string(format!("/proc/{sleeping}/stat"));
                stat.is_ok_and(|stat| !stat.contains(") Z"))
            };
            while runs() {
                assert!(Instant::now() < deadline, "{script}: {sleeping} runs on");
                std::thread::sleep(PAUSE);
            }
        }
    }
}
