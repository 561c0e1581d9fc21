//! Why kb cannot tell which cluster to talk to.

use std::io;
use std::path::PathBuf;

use crate::core::cluster::proxy::ProxyError;

/// Why kb cannot tell which cluster to talk to, or how.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Neither a kubeconfig nor a pod's credentials.
    #[error("no kubeconfig: {}", missing(.looked_at))]
    None {
        /// The files that were looked for.
        looked_at: Vec<PathBuf>,
    },
    /// A file does not exist, or cannot be read.
    #[error("cannot read the kubeconfig {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not YAML.
    #[error("{place}: the kubeconfig is not valid YAML")]
    Parse {
        /// `FILE:LINE:COLUMN`. No excerpt: a kubeconfig contains tokens.
        place: String,
    },
    /// Something in a file is wrong for client-go.
    #[error("{}:{line}: {reason}", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The entry, and what is wrong with it.
        reason: String,
    },
    /// No context is named or current.
    #[error("the kubeconfig has no current context")]
    NoCurrentContext {
        /// The contexts there are.
        contexts: Vec<String>,
    },
    /// The context does not exist.
    #[error("the kubeconfig has no context \"{context}\"")]
    UnknownContext {
        /// The one that was asked for.
        context: String,
        /// The ones there are.
        contexts: Vec<String>,
    },
    /// The kubeconfig names a certificate authority, and says not to verify. client-go
    /// refuses it in the same words.
    #[error(
        "{}:{line}: cluster \"{cluster}\": insecure-skip-tls-verify beside a certificate authority: \
         specifying a root certificates file with the insecure flag is not allowed", .path.display()
    )]
    InsecureWithAuthority {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The cluster.
        cluster: String,
    },
    /// The environment's proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A pod's credentials do not load.
    #[error("the pod's own credentials do not load: {reason}")]
    InCluster {
        /// The file or variable, and what is wrong with it.
        reason: String,
    },
}

impl KubeconfigError {
    /// Whether a file does not exist.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

fn missing(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    match shown.as_slice() {
        [] => "no file is named".to_owned(),
        [path] => format!("{path} does not exist"),
        paths => format!("none of {} exists", paths.join(", ")),
    }
}
