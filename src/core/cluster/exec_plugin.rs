//! Credential plugins: the `exec` section of a kubeconfig's user.
//!
//! Specification: `client.authentication.k8s.io/v1`,
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.
//!
//! kube would run the plugin itself, but three times per client, and a cloud
//! login takes seconds. Here it runs once, and what it answers is put into the
//! configuration as if it had stood in the kubeconfig.

#![expect(clippy::disallowed_methods, reason = "this is what runs the plugins")]

use std::ffi::OsString;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::kubeconfig::Target;
use super::user::bearer;
use crate::core::yaml;

/// Why a plugin gave no credentials. What it printed on stdout is never shown:
/// it may hold a token.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The program is not there.
    #[error("it is not installed")]
    NotInstalled {
        /// The kubeconfig's `installHint`.
        install_hint: Option<String>,
    },
    /// The program could not be started for another reason.
    #[error("it cannot be started")]
    Start(#[source] std::io::Error),
    /// It ended with an error; its own words are on stderr already.
    #[error("it failed ({0})")]
    Failed(std::process::ExitStatus),
    /// It must ask a person, and there is no terminal.
    #[error("it needs a terminal (interactiveMode: Always), and stdin is none")]
    NoTerminal,
    /// Its answer is no ExecCredential.
    #[error("its answer is no ExecCredential with a token or a client certificate")]
    Answer,
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
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

/// Runs the plugin of `target`, if it has one and no other credentials, and
/// puts its answer in the plugin's place.
pub(super) fn resolve(target: &mut Target) -> Result<(), PluginFailure> {
    let user = &mut target.config.auth_info;
    let other = user.token.is_some() || user.auth_provider.is_some();
    let Some(exec) = user.exec.take().filter(|_| !other) else {
        return Ok(());
    };
    let failed = |source| PluginFailure {
        command: exec.command.clone().unwrap_or_default(),
        source,
    };
    let status = run(&exec, target.terminal, &target.environment).map_err(failed)?;
    let token = status
        .token
        .as_ref()
        .map_or("", ExposeSecret::expose_secret);
    user.token = bearer(token).map_err(|_| failed(PluginError::Answer))?;
    if let (Some(certificate), Some(key)) = (status.client_certificate_data, status.client_key_data)
    {
        // The plugin answers in PEM; a kubeconfig holds base64 of PEM.
        user.client_certificate_data = Some(STANDARD.encode(certificate));
        user.client_key_data = Some(SecretString::from(STANDARD.encode(key.expose_secret())));
    } else if user.token.is_none() {
        return Err(failed(PluginError::Answer));
    }
    Ok(())
}

fn run(
    exec: &ExecConfig,
    terminal: bool,
    environment: &[(OsString, OsString)],
) -> Result<Status, PluginError> {
    // An interactive plugin may use the terminal, but never swallows a stdin
    // that somebody pipes into kb.
    let interactive = match exec.interactive_mode {
        Some(ExecInteractiveMode::Never) => false,
        Some(ExecInteractiveMode::Always) if !terminal => return Err(PluginError::NoTerminal),
        Some(ExecInteractiveMode::Always | ExecInteractiveMode::IfAvailable) | None => terminal,
    };
    let mut spec = serde_json::json!({ "interactive": interactive });
    if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info) {
        spec["cluster"] = serde_json::to_value(cluster).unwrap_or_default();
    }
    let info = serde_json::json!({
        "apiVersion": exec.api_version,
        "kind": "ExecCredential",
        "spec": spec,
    });
    let mut command = Command::new(exec.command.as_deref().unwrap_or_default());
    command
        .args(exec.args.iter().flatten())
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        // As with kubectl, so that "open this page and enter the code" is seen.
        .stderr(Stdio::inherit());
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => PluginError::NotInstalled {
            install_hint: exec.install_hint.clone(),
        },
        _ => PluginError::Start(error),
    })?;
    if !output.status.success() {
        return Err(PluginError::Failed(output.status));
    }
    let credential = parse(&output.stdout).ok_or(PluginError::Answer)?;
    credential.status.ok_or(PluginError::Answer)
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
            r#"{"kind": "ExecCredential", "status": {"token": "t"}}"#,
            "kind: ExecCredential\nstatus:\n  token: t\n",
            "# cached\n---\nstatus: {token: t}\n---\nstatus: {token: other}\n",
        ] {
            assert_eq!(token(answer).as_deref(), Some("t"), "{answer}");
        }
        for answer in ["", "error", "[]", "status: {token: [t]}", "status: {"] {
            assert_eq!(token(answer), None, "{answer}");
        }
    }
}
