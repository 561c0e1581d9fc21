//! What can go wrong between kb and the API server, told apart by what a
//! person can do about it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http_body_util::LengthLimitError;

use super::client::LARGEST_ANSWER;
use super::exec_plugin::PluginFailure;
use super::kubeconfig::ClusterTarget;
use crate::core::excerpt::excerpt;

/// A request, for the message that it was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The Kubernetes verb, such as `get`.
    pub verb: &'static str,
    /// The resource, such as `secrets`.
    pub resource: &'static str,
    /// The namespace, or `None` for a resource of the whole cluster.
    pub namespace: Option<String>,
}

/// Why a request got no answer, or not the one that was wanted. Each variant
/// says only its own part; what lies beneath is its source.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// kb's own runtime did not start.
    #[error("the network runtime did not start")]
    Runtime(#[source] io::Error),
    /// The kubeconfig's certificates, key or token do not load.
    #[error("the credentials of context \"{context}\" do not load")]
    Credentials {
        /// The context.
        context: String,
        /// kube's reason.
        #[source]
        source: Box<kube::Error>,
    },
    /// A login through the kubeconfig's `auth-provider` failed.
    #[error("logging in with context \"{context}\" failed")]
    Login {
        /// The context.
        context: String,
        /// kube's reason.
        #[source]
        source: kube::client::AuthError,
    },
    /// The credential plugin gave no credentials.
    #[error(transparent)]
    Plugin(#[from] PluginFailure),
    /// Nobody answers there.
    #[error("cannot reach the API server {server}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// The connection's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server did not answer in time.
    #[error("the API server {server} did not answer within {}", seconds(.limit))]
    Timeout {
        /// Its URL.
        server: String,
        /// How long kb waited.
        limit: Duration,
    },
    /// The server's certificate is not one that the kubeconfig trusts.
    #[error("the certificate of the API server {server} is not trusted: {}", reason(.error))]
    Untrusted {
        /// Its URL.
        server: String,
        /// What is wrong with it.
        error: rustls::CertificateError,
    },
    /// HTTP 401: the server does not know who asks.
    #[error("the API server {server} does not accept the credentials of context \"{context}\"")]
    Unauthorized {
        /// Its URL.
        server: String,
        /// The context.
        context: String,
    },
    /// HTTP 403: the server knows who asks, and says no.
    #[error("the API server denies it: {message}")]
    Forbidden {
        /// The server's words: who may not do what.
        message: String,
        /// What was asked.
        request: ApiRequest,
    },
    /// HTTP 404 for the namespace of an object that is to be created.
    #[error("the namespace {namespace} is not there")]
    NamespaceMissing {
        /// The namespace.
        namespace: String,
    },
    /// HTTP 404.
    #[error("the API server says: {message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// HTTP 409 for something to be created.
    #[error("the API server says: {message}")]
    AlreadyExists {
        /// The server's words.
        message: String,
    },
    /// HTTP 409 for something to be changed: someone else changed it first.
    #[error("the API server says: {message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// Any other refusal.
    #[error("the API server refuses it (HTTP {code}): {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The answer has more than kb reads, and perhaps no end.
    #[error("the answer of the API server {server} is larger than {} MiB", LARGEST_ANSWER >> 20)]
    TooLarge {
        /// Its URL.
        server: String,
    },
    /// The answer is not what a Kubernetes API server says.
    #[error("{server} does not answer like a Kubernetes API server")]
    Answer {
        /// Its URL.
        server: String,
        /// kube's reason.
        #[source]
        source: Box<kube::Error>,
    },
}

fn seconds(limit: &Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

/// rustls names most of these with the word of its own source code.
fn reason(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError as E;
    match error {
        E::UnknownIssuer | E::BadSignature => "no authority that is trusted issued it".to_owned(),
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        E::Revoked => "it was revoked".to_owned(),
        E::NotValidForName | E::NotValidForNameContext { .. } => error.to_string(),
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way that kb does not know (P-521, for instance)".to_owned()
        }
        _ => "it is of a kind that kb does not take (a certificate authority's own, for instance)"
            .to_owned(),
    }
}

impl ClusterError {
    /// Whether the request may have been carried out all the same: the answer
    /// got lost, or is that of something between kb and the server.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Unreachable { .. }
            | Self::TooLarge { .. }
            | Self::Answer { .. } => true,
            Self::Refused { code, .. } => *code >= 500 || *code == 408,
            _ => false,
        }
    }

    pub(super) fn from_kube(
        error: kube::Error,
        target: &ClusterTarget,
        request: ApiRequest,
    ) -> Self {
        let server = target.server();
        match error {
            kube::Error::Api(status) => Self::from_status(&status, target, request),
            kube::Error::Service(source) => Self::from_connection(source, target),
            kube::Error::HyperError(source) => Self::Unreachable {
                server,
                source: source.into(),
            },
            other => Self::Answer {
                server,
                source: Box::new(other),
            },
        }
    }

    fn from_status(
        status: &kube::core::Status,
        target: &ClusterTarget,
        request: ApiRequest,
    ) -> Self {
        let message = excerpt(&status.message);
        // `details` says which kind of thing is missing or there already.
        let kind = status
            .details
            .as_ref()
            .map_or("", |details| details.kind.as_str());
        match status.code {
            401 => Self::Unauthorized {
                server: target.server(),
                context: target.context.clone(),
            },
            403 => Self::Forbidden { message, request },
            404 if kind == "namespaces" && request.resource != "namespaces" => {
                Self::NamespaceMissing {
                    namespace: request.namespace.unwrap_or_default(),
                }
            }
            404 => Self::NotFound { message },
            409 if status.reason == "AlreadyExists" => Self::AlreadyExists { message },
            409 if status.reason == "Conflict" => Self::Conflict { message },
            code => Self::Refused { code, message },
        }
    }

    /// A request that never got an HTTP answer. The causes are nested several
    /// layers deep; the innermost that says something is kept.
    fn from_connection(source: tower::BoxError, target: &ClusterTarget) -> Self {
        let server = target.server();
        let source = match source.downcast::<kube::client::AuthError>() {
            Ok(login) => {
                return Self::Login {
                    context: target.context.clone(),
                    source: *login,
                };
            }
            Err(other) => other,
        };
        let cause = innermost(source.as_ref());
        if let Some(rustls::Error::InvalidCertificate(error)) = cause.downcast_ref() {
            return Self::Untrusted {
                server,
                error: error.clone(),
            };
        }
        if cause.is::<LengthLimitError>() {
            return Self::TooLarge { server };
        }
        Self::Unreachable {
            server,
            source: cause.to_string().into(),
        }
    }
}

/// The error at the bottom. An [`io::Error`] made from another error does not
/// name that one as its source, but is a shell around it.
fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let inside = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match (inside, error.source()) {
        (Some(inside), _) => innermost(inside),
        (None, Some(source)) => innermost(source),
        (None, None) => error,
    }
}
