//! The user of a kubeconfig, with the checks and the precedence of client-go.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use kube::config::{AuthInfo, AuthProviderConfig};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::file::{AuthProvider, ClusterEntry, Exec, User};
use crate::core::regular_file::{self, LARGEST_CONFIG};

/// The only login that client-go still does itself.
const OIDC: &str = "oidc";

/// Versions of the protocol of credential plugins.
const EXEC_VERSIONS: [&str; 2] = [
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
];

/// Something of an entry, or what is wrong with it, without any of its values.
pub(super) type Checked<T> = Result<T, String>;

fn refuse<T>(reason: &str) -> Checked<T> {
    Err(reason.to_owned())
}

/// `validateAuthInfo`.
pub(super) fn check_user(user: &User) -> Checked<()> {
    let has_data = !user.client_certificate_data.is_empty();
    if has_data || !user.client_certificate.is_empty() {
        let has_key_data = !user.client_key_data.is_empty();
        if has_data && !user.client_certificate.is_empty() {
            return refuse("client-certificate-data and client-certificate are both specified");
        }
        if has_key_data && !user.client_key.is_empty() {
            return refuse("client-key-data and client-key are both specified");
        }
        if !has_key_data && user.client_key.is_empty() {
            return refuse("it has a client certificate without client-key-data or client-key");
        }
        check_readable("client-certificate", &user.client_certificate)?;
        check_readable("client-key", &user.client_key)?;
    }
    if let Some(exec) = &user.exec {
        check_exec(exec, user.auth_provider.is_some())?;
    }
    let has_basic = !user.username.is_empty() || !user.password.expose_secret().is_empty();
    if !user.token.expose_secret().is_empty() && has_basic {
        return refuse("it has a token and a username or password; only one method is allowed");
    }
    let is_half = !user.impersonate_uid.is_empty()
        || !user.impersonate_groups.is_empty()
        || !user.impersonate_extra.is_empty();
    if is_half && user.impersonate.is_empty() {
        return refuse("it has as-uid, as-groups or as-user-extra without \"as\"");
    }
    Ok(())
}

fn check_exec(exec: &Exec, has_provider: bool) -> Checked<()> {
    if has_provider {
        return refuse("it has auth-provider and exec; only one is allowed");
    }
    if exec.command.is_empty() {
        return refuse("exec has no command");
    }
    if exec.api_version.is_empty() {
        return refuse("exec has no apiVersion");
    }
    if exec.env.iter().any(|(name, _)| name.is_empty()) {
        return refuse("a variable in env of exec has no name");
    }
    match exec.interactive_mode.as_str() {
        "" => refuse("exec has no interactiveMode"),
        "Never" | "IfAvailable" | "Always" => Ok(()),
        _ => refuse("interactiveMode of exec is not Never, IfAvailable or Always"),
    }
}

/// Checks that the file that a field names, if it names one, can be opened.
pub(super) fn check_readable(field: &str, path: &str) -> Checked<()> {
    if path.is_empty() {
        return Ok(());
    }
    let opened = regular_file::open(Path::new(path), LARGEST_CONFIG);
    opened.map_err(|error| format!("cannot read {field} {path}: {error}"))?;
    Ok(())
}

/// The data, else the content of the file, else nothing.
pub(super) fn data_or_file(data: &[u8], path: &str) -> Checked<Option<Zeroizing<Vec<u8>>>> {
    if !data.is_empty() {
        return Ok(Some(Zeroizing::new(data.to_vec())));
    }
    if path.is_empty() {
        return Ok(None);
    }
    let read = regular_file::read(Path::new(path), LARGEST_CONFIG);
    let read = read.map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(Some(Zeroizing::new(read)).filter(|read| !read.is_empty()))
}

/// The credentials for a server with TLS: those of kube, and the plugin that gets them
/// if there are no others. A user in the server's URL replaces all but the certificate.
pub(super) fn log_in(user: &User, has_user_in_url: bool) -> Checked<(AuthInfo, Option<Exec>)> {
    let token = token(user)?;
    let has_username = !user.username.is_empty();
    if token.is_some() && has_username {
        return refuse("it has tokenFile and username; only one method is allowed");
    }
    if let Some(exec) = &user.exec
        && !EXEC_VERSIONS.contains(&&*exec.api_version)
    {
        return Err(format!("apiVersion of exec is not {}", EXEC_VERSIONS[0]));
    }
    let provider = user.auth_provider.as_ref().map(oidc).transpose()?;
    let is_certain = token.is_some() || has_username;
    let mut auth_info = AuthInfo::default();
    if has_user_in_url {
        // It is filled in by the caller.
    } else if let Some(token) = token {
        let token = bearer(token.expose_secret());
        auth_info.token = Some(token.map_err(|reason| format!("its token: {reason}"))?);
    } else if has_username {
        auth_info.username = Some(user.username.clone());
        auth_info.password = Some(user.password.clone());
    } else {
        auth_info.auth_provider = provider;
    }
    let certificate = data_or_file(&user.client_certificate_data, &user.client_certificate)?;
    if let Some(certificate) = &certificate {
        let key = data_or_file(&user.client_key_data, &user.client_key)?.unwrap_or_default();
        // PEM, which a kubeconfig has in base64.
        auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
        auth_info.client_key_data = Some(SecretString::from(STANDARD.encode(key)));
    }
    let needs_plugin = !is_certain && certificate.is_none();
    if needs_plugin && user.exec.is_none() && user.auth_provider.is_none() {
        return refuse("it has no credentials");
    }
    // Beside a user in the URL it may still have a certificate.
    let exec = user.exec.clone().filter(|_| needs_plugin);
    Ok((auth_info, exec))
}

/// The login of an `auth-provider`.
fn oidc(provider: &AuthProvider) -> Checked<AuthProviderConfig> {
    if provider.name != OIDC {
        return Err(format!(
            "kubectl has no auth-provider \"{}\"; it has {OIDC} alone, and others are plugins (exec)",
            provider.name
        ));
    }
    for needed in ["idp-issuer-url", "client-id"] {
        let mut config = provider.config.iter();
        if !config.any(|(name, value)| name == needed && !value.is_empty()) {
            return Err(format!("auth-provider {OIDC} has no {needed}"));
        }
    }
    Ok(AuthProviderConfig {
        name: provider.name.clone(),
        config: provider.config.iter().cloned().collect(),
        other: Default::default(),
    })
}

/// The bearer token. client-go prefers the file, which is renewed, if it can be read.
fn token(user: &User) -> Checked<Option<SecretString>> {
    let token = user.token.expose_secret();
    let in_file = match user.token_file.as_str() {
        "" => None,
        path => Some(token_file(Path::new(path))),
    };
    match in_file {
        Some(Ok(in_file)) if in_file.expose_secret().is_empty() && !token.is_empty() => {
            Ok(Some(user.token.clone()))
        }
        Some(Ok(in_file)) => Ok(Some(in_file)),
        Some(Err(reason)) if token.is_empty() => Err(reason),
        _ if token.is_empty() => Ok(None),
        _ => Ok(Some(user.token.clone())),
    }
}

/// The token in a file; empty where the file has space alone, which stops client-go only
/// when it sends the token.
pub(super) fn token_file(path: &Path) -> Checked<SecretString> {
    let failed = |reason: String| format!("tokenFile {}: {reason}", path.display());
    let read = regular_file::read(path, LARGEST_CONFIG).map(SecretSlice::from);
    let bytes = read.map_err(|error| failed(error.to_string()))?;
    let text = std::str::from_utf8(bytes.expose_secret());
    let text = text.map_err(|error| failed(error.to_string()))?;
    match text.is_empty() {
        true => Err(failed("it is empty".to_owned())),
        false => Ok(SecretString::from(text.trim())),
    }
}

/// A token, which has to fit into the `Authorization` header.
pub(in crate::core::cluster) fn bearer(token: &str) -> Checked<SecretString> {
    match HeaderValue::try_from(token) {
        Ok(_) if token.is_empty() => refuse("it is empty"),
        Ok(_) => Ok(SecretString::from(token)),
        Err(_) => refuse("it contains a line end or another control character"),
    }
}

/// Has the user act as another one.
pub(super) fn impersonate(user: &User, auth_info: &mut AuthInfo) {
    if user.impersonate.is_empty() {
        return;
    }
    auth_info.impersonate = Some(user.impersonate.clone());
    auth_info.impersonate_uid = Some(user.impersonate_uid.clone()).filter(|uid| !uid.is_empty());
    auth_info.impersonate_groups = Some(user.impersonate_groups.clone());
    auth_info.impersonate_user_extra = Some(user.impersonate_extra.iter().cloned().collect());
}

/// A cluster as a credential plugin gets it (`ExecCredential.spec.cluster`).
pub(super) fn cluster_info(cluster: &ClusterEntry, authority: Option<&[u8]>) -> Value {
    let all = json!({
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": authority.map(|pem| STANDARD.encode(pem)),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": cluster.exec_config,
    });
    let fields = all.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, value)| {
        let is_unset = value.is_null() || *value == &json!("") || *value == &json!(false);
        !is_unset || *name == "server"
    });
    fields
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
