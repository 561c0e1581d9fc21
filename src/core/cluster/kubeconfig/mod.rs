//! Where the API server is and who asks: the kubeconfig, or a pod's own
//! credentials.
//!
//! Rules: <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>,
//! as client-go's `clientcmd` implements them, with the errors that it finds first. kube's own
//! loader refuses files that kubectl reads, and reads some that kubectl refuses, so kb reads
//! the files and gives kube a finished configuration. In four places kb refuses
//! what kubectl does: it does not try localhost:8080 where no server is named, does not take
//! a server without a scheme for http://, does not ask for a password, and does not go around a
//! proxy that it cannot read.
//!
//! | module | holds |
//! | --- | --- |
//! | `fields` | typed fields of YAML mappings |
//! | `file` | what a file says |
//! | `connection` | the configuration of the chosen context |
//! | `login` | the credentials of its user |
//! | `error` | why there is no cluster |

mod connection;
mod error;
mod fields;
mod file;
mod login;

use std::ffi::OsString;
use std::path::PathBuf;

use kube::config::Config;

use super::proxy::{self, ProxyVariables};
pub use connection::user_in;
pub use error::KubeconfigError;
pub(super) use file::Exec;
use file::{KubeconfigFile, NamedEntry};
pub(super) use login::bearer;

/// The environment's part in the connection, as plain values.
#[derive(Clone, Default)]
pub struct KubeconfigSource {
    /// The files to read: what `--kubeconfig` names, else what `KUBECONFIG` lists, else
    /// `~/.kube/config`.
    pub files: Vec<PathBuf>,
    /// Whether each file must exist. `KUBECONFIG` may list files that do not exist, as for
    /// kubectl; `--kubeconfig` may not.
    pub must_exist: bool,
    /// `--context`; `None` for the current one.
    pub context: Option<String>,
    /// `KUBERNETES_SERVICE_HOST` and `_PORT`: set in a pod.
    pub in_cluster: Option<(String, String)>,
    /// The proxy variables.
    pub proxy: ProxyVariables,
    /// Whether a credential plugin may ask on the terminal: stdin is one.
    pub terminal: bool,
    /// The environment that a credential plugin runs in.
    pub environment: Vec<(OsString, OsString)>,
}

/// Why a context is the one that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextChoice {
    /// It was asked for by name.
    Named,
    /// It is the kubeconfig's `current-context`.
    Current,
    /// There is no kubeconfig, and kb runs in a pod.
    Pod,
}

/// One cluster, chosen: its context, its server, and how to connect.
pub struct ClusterTarget {
    /// The context's name; `in-cluster` for a pod's own credentials.
    pub context: String,
    /// Why it is this one.
    pub choice: ContextChoice,
    /// The kubeconfig's name of its cluster; empty in a pod.
    pub cluster: String,
    pub(super) config: Config,
    /// The credential plugin that logs in.
    pub(super) exec: Option<Exec>,
    pub(super) terminal: bool,
    pub(super) environment: Vec<(OsString, OsString)>,
}

/// Why others may read, or answer, what kb sends to an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Its certificate is not verified, by `insecure-skip-tls-verify`.
    Unverified,
    /// It is reached without TLS, and not on this machine (`kubectl proxy`).
    Unencrypted,
}

impl ClusterTarget {
    /// Whether others may read, or answer, what kb sends to the server.
    pub fn exposure(&self) -> Option<Exposure> {
        let config = &self.config;
        let is_near = proxy::is_loopback(&config.cluster_url) && config.proxy_url.is_none();
        match config.cluster_url.scheme_str() {
            Some("http") => (!is_near).then_some(Exposure::Unencrypted),
            _ => config.accept_invalid_certs.then_some(Exposure::Unverified),
        }
    }

    /// The API server's URL, without a path's final slash. It contains no password.
    pub fn server(&self) -> String {
        self.config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned()
    }
}

/// Chooses the cluster: from the files, else the pod that kb runs in.
///
/// # Errors
/// See [`KubeconfigError`].
pub fn load(source: &KubeconfigSource) -> Result<ClusterTarget, KubeconfigError> {
    let files = read(source)?;
    let current = files.iter().map(|file| &file.current_context);
    let mut current = current.filter(|name| !name.is_empty());
    let named = source.context.as_ref().filter(|name| !name.is_empty());
    let name = named
        .or_else(|| current.next())
        .cloned()
        .unwrap_or_default();
    let Some((file, context)) = find(&files, |file| &file.contexts, &name) else {
        let contexts = names(&files);
        return match &source.in_cluster {
            _ if !name.is_empty() => Err(KubeconfigError::UnknownContext {
                context: name,
                contexts,
            }),
            Some(pod) => connection::in_cluster(pod, source),
            None if files.is_empty() => Err(KubeconfigError::None {
                looked_at: source.files.clone(),
            }),
            None => Err(KubeconfigError::NoCurrentContext { contexts }),
        };
    };
    let choice = match named {
        Some(_) => ContextChoice::Named,
        None => ContextChoice::Current,
    };
    connection::of_context(&files, (file, context), choice, source)
}

/// The names of the contexts there are to choose from.
///
/// # Errors
/// When a file cannot be read.
pub fn contexts(source: &KubeconfigSource) -> Result<Vec<String>, KubeconfigError> {
    Ok(names(&read(source)?))
}

fn names(files: &[KubeconfigFile]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for context in files.iter().flat_map(|file| &file.contexts) {
        if !names.contains(&context.name) {
            names.push(context.name.clone());
        }
    }
    names
}

/// The entry of a name: of several files the first that has one.
fn find<'f, T>(
    files: &'f [KubeconfigFile],
    entries: impl Fn(&'f KubeconfigFile) -> &'f Vec<NamedEntry<T>>,
    name: &str,
) -> Option<(&'f KubeconfigFile, &'f NamedEntry<T>)> {
    files.iter().find_map(|file| {
        let found = entries(file).iter().find(|entry| entry.name == name);
        found.map(|entry| (file, entry))
    })
}

/// The files that exist.
fn read(source: &KubeconfigSource) -> Result<Vec<KubeconfigFile>, KubeconfigError> {
    let mut files = Vec::new();
    for (index, path) in source.files.iter().enumerate() {
        // A pipe can be read once.
        if source.files[..index].contains(path) {
            continue;
        }
        match KubeconfigFile::read(path) {
            // One that exists and cannot be read may hold the context that is meant.
            Err(error) if error.is_missing() && !source.must_exist => {}
            other => files.push(other?),
        }
    }
    Ok(files)
}
