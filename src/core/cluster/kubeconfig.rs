//! Where the API server is and who asks: the kubeconfig, or a pod's own
//! credentials.
//!
//! Rules: <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>.
//! kube reads and merges the files. The choice among them is kb's own: kube
//! takes it from the process environment.

use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, Config, ExecAuthCluster, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::proxy::{self, ProxyVariables};
use super::user::{self, TokenError, names_a_file, unwrapped};
use crate::core::regular_file::{self, LARGEST_CONFIG};

/// Where Kubernetes puts a pod's credentials.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const SERVER_SCHEMES: &[&str] = &["https", "http"];

/// The environment's part in the connection, as plain values.
#[derive(Clone, Default)]
pub struct KubeconfigSource {
    /// The files that were named: by `--kubeconfig`, or in `KUBECONFIG`.
    pub named: Vec<PathBuf>,
    /// Whether each named file must be there. `KUBECONFIG` may list files that
    /// do not exist, as for kubectl; `--kubeconfig` may not.
    pub must_exist: bool,
    /// The file to use when none is named, `~/.kube/config`.
    pub default: Option<PathBuf>,
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
pub struct Target {
    /// The context's name; `in-cluster` for a pod's own credentials.
    pub context: String,
    /// Why it is this one.
    pub choice: ContextChoice,
    /// The kubeconfig's name of its cluster; empty in a pod.
    pub cluster: String,
    pub(super) config: Config,
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

impl Target {
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

/// Why there is no cluster to talk to.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Neither a kubeconfig nor a pod's credentials.
    #[error("no kubeconfig: {} is not there", list(.looked_at))]
    None {
        /// The files that were looked for.
        looked_at: Vec<PathBuf>,
    },
    /// A file that was named is not there, or cannot be read.
    #[error("cannot read the kubeconfig {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no kubeconfig.
    #[error("{place} is no kubeconfig")]
    Parse {
        /// `FILE`, or `FILE:LINE:COLUMN`. No excerpt: a kubeconfig holds tokens.
        place: String,
    },
    /// The files cannot be read as one.
    #[error("{} does not fit the kubeconfigs before it", .path.display())]
    Merge {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// No context is named or current.
    #[error("the kubeconfig has no current context")]
    NoCurrentContext {
        /// The contexts there are.
        contexts: Vec<String>,
    },
    /// The context is not there.
    #[error("the kubeconfig has no context \"{context}\"")]
    UnknownContext {
        /// The one that was asked for.
        context: String,
        /// The ones there are.
        contexts: Vec<String>,
    },
    /// The context names a cluster that is not there, or that has no server.
    #[error("the cluster \"{cluster}\" of context \"{context}\" has no server in the kubeconfig")]
    NoServer {
        /// The context.
        context: String,
        /// The cluster that it names.
        cluster: String,
    },
    /// The context names a user that is not there.
    #[error("the user \"{user}\" of context \"{context}\" is not in the kubeconfig")]
    NoUser {
        /// The context.
        context: String,
        /// The user that it names.
        user: String,
    },
    /// A URL in the kubeconfig or the environment is none, or not of a kind
    /// that can be used. It is not repeated: a proxy's may hold a password.
    #[error("{what} is no URL that begins with {}", alternatives(.schemes))]
    Url {
        /// Where it stands.
        what: &'static str,
        /// What it may begin with.
        schemes: &'static [&'static str],
    },
    /// The user's token does not load.
    #[error("the token of context \"{context}\" does not load")]
    Token {
        /// The context.
        context: String,
        /// Why.
        #[source]
        source: TokenError,
    },
    /// The kubeconfig names a certificate authority, and says not to verify. client-go
    /// refuses it in the same words.
    #[error(
        "the cluster \"{cluster}\" of context \"{context}\" has insecure-skip-tls-verify beside a certificate authority: \
         specifying a root certificates file with the insecure flag is not allowed"
    )]
    InsecureWithAuthority {
        /// The context.
        context: String,
        /// The cluster that it names.
        cluster: String,
    },
    /// The certificate authority does not load.
    #[error("the certificate authority of context \"{context}\" does not load: {reason}")]
    CertificateAuthority {
        /// The context.
        context: String,
        /// Why.
        reason: String,
    },
    /// A pod's credentials do not load.
    #[error("the pod's own credentials do not load: {}", .path.display())]
    InCluster {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn alternatives(schemes: &[&str]) -> String {
    let shown: Vec<String> = schemes
        .iter()
        .map(|scheme| format!("{scheme}://"))
        .collect();
    shown.join(" or ")
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}

/// Chooses the cluster: from the named files, else the default one, else the
/// pod that kb runs in.
///
/// # Errors
/// See [`KubeconfigError`].
pub fn load(source: &KubeconfigSource) -> Result<Target, KubeconfigError> {
    match (merged(source)?, &source.in_cluster) {
        (Some(kubeconfig), _) => from_kubeconfig(&kubeconfig, source),
        (None, Some((host, port))) if source.context.is_none() => in_cluster(host, port),
        (None, _) => Err(KubeconfigError::None {
            looked_at: files(source),
        }),
    }
}

/// The names of the contexts there are to choose from.
///
/// # Errors
/// When a file cannot be read.
pub fn contexts(source: &KubeconfigSource) -> Result<Vec<String>, KubeconfigError> {
    let contexts = merged(source)?.unwrap_or_default().contexts;
    Ok(contexts.into_iter().map(|context| context.name).collect())
}

fn files(source: &KubeconfigSource) -> Vec<PathBuf> {
    match source.named.as_slice() {
        [] => source.default.clone().into_iter().collect(),
        named => named.to_vec(),
    }
}

/// The files as one, as kubectl merges them; `None` if none is there.
fn merged(source: &KubeconfigSource) -> Result<Option<Kubeconfig>, KubeconfigError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in &files(source) {
        let next = match read(path) {
            // As for kubectl, a listed file may be missing. One that is there
            // and cannot be read may hold the context that is meant.
            Err(KubeconfigError::Read { source: error, .. })
                if error.kind() == io::ErrorKind::NotFound && !source.must_exist =>
            {
                continue;
            }
            other => other?,
        };
        let both = merged.unwrap_or_default().merge(next);
        merged = Some(both.map_err(|source| KubeconfigError::Merge {
            path: path.clone(),
            source,
        })?);
    }
    Ok(merged)
}

fn read(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    check_bounded(path).map_err(|source| KubeconfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    Kubeconfig::read_from(path).map_err(|error| match error {
        kube::config::KubeconfigError::ReadConfig(source, path) => {
            KubeconfigError::Read { path, source }
        }
        kube::config::KubeconfigError::Parse(error) => KubeconfigError::Parse {
            place: match error.location() {
                Some(at) => format!("{}:{}:{}", path.display(), at.line(), at.column()),
                None => path.display().to_string(),
            },
        },
        source => KubeconfigError::Merge {
            path: path.to_owned(),
            source,
        },
    })
}

/// A kubeconfig is named by a person, so it may be a pipe (`<(…)`) and, to have none,
/// `/dev/null`; nothing else that could be waited for without end.
fn check_bounded(path: &Path) -> io::Result<()> {
    let found = path.metadata()?;
    let kind = found.file_type();
    if kind.is_file() {
        regular_file::open(path, LARGEST_CONFIG).map(drop)
    } else if kind.is_char_device() || kind.is_block_device() {
        let null = Path::new("/dev/null").metadata()?;
        match found.rdev() == null.rdev() {
            true => Ok(()),
            false => Err(io::Error::other("it is a device")),
        }
    } else {
        Ok(())
    }
}

fn from_kubeconfig(
    kubeconfig: &Kubeconfig,
    source: &KubeconfigSource,
) -> Result<Target, KubeconfigError> {
    let contexts = || kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let current = kubeconfig
        .current_context
        .clone()
        .filter(|name| !name.is_empty());
    let Some(name) = source.context.clone().or(current) else {
        return Err(KubeconfigError::NoCurrentContext {
            contexts: contexts(),
        });
    };
    let found = kubeconfig
        .contexts
        .iter()
        .find(|context| context.name == name);
    let Some(context) = found.and_then(|named| named.context.as_ref()) else {
        return Err(KubeconfigError::UnknownContext {
            context: name,
            contexts: contexts(),
        });
    };
    let found = kubeconfig
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.cluster);
    let cluster = found.and_then(|named| named.cluster.as_ref());
    let Some((cluster, server)) = cluster.and_then(|c| Some((c, c.server.as_deref()?))) else {
        return Err(KubeconfigError::NoServer {
            context: name,
            cluster: context.cluster.clone(),
        });
    };
    // No user at all is allowed (a proxy may authenticate); a wrong name is not.
    let user = match context.user.as_deref() {
        None | Some("") => AuthInfo::default(),
        Some(user) => match kubeconfig.auth_infos.iter().find(|info| info.name == user) {
            Some(named) => named.auth_info.clone().unwrap_or_default(),
            None => {
                return Err(KubeconfigError::NoUser {
                    context: name,
                    user: user.to_owned(),
                });
            }
        },
    };
    let is_insecure = cluster.insecure_skip_tls_verify.unwrap_or(false);
    if is_insecure && names_authority(cluster) {
        return Err(KubeconfigError::InsecureWithAuthority {
            context: name,
            cluster: context.cluster.clone(),
        });
    }
    let server = url("the server in the kubeconfig", SERVER_SCHEMES, server)?;
    let mut config = Config::new(without_secrets(server)?);
    config.root_cert = certificate_authority(&name, cluster)?;
    config.accept_invalid_certs = is_insecure;
    config.tls_server_name = cluster
        .tls_server_name
        .clone()
        .filter(|name| !name.is_empty());
    let in_kubeconfig = cluster.proxy_url.as_deref();
    if let Some((what, value)) = proxy::choose(in_kubeconfig, &config.cluster_url, &source.proxy) {
        // What Go calls socks5 leaves looking up names to the proxy, as socks5h
        // says; so does kube's.
        let value = value.replacen("socks5h://", "socks5://", 1);
        config.proxy_url = Some(url(what, &["http", "https", "socks5"], &value)?);
    }
    config.auth_info = user::resolve(user).map_err(|source| KubeconfigError::Token {
        context: name.clone(),
        source,
    })?;
    if let Some(exec) = &mut config.auth_info.exec
        && exec.provide_cluster_info
    {
        exec.cluster = ExecAuthCluster::try_from(cluster).ok();
    }
    Ok(Target {
        context: name,
        choice: match source.context {
            Some(_) => ContextChoice::Named,
            None => ContextChoice::Current,
        },
        cluster: context.cluster.clone(),
        config,
        terminal: source.terminal,
        environment: source.environment.clone(),
    })
}

fn in_cluster(host: &str, port: &str) -> Result<Target, KubeconfigError> {
    let credentials = Path::new(SERVICE_ACCOUNT);
    let authority = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    let ca_path = credentials.join("ca.crt");
    let ca = regular_file::read(&ca_path, LARGEST_CONFIG).map_err(|source| {
        KubeconfigError::InCluster {
            path: ca_path,
            source,
        }
    })?;
    let context = "in-cluster";
    let mut config = Config::new(url(
        "KUBERNETES_SERVICE_HOST",
        SERVER_SCHEMES,
        &format!("https://{authority}"),
    )?);
    config.root_cert = Some(certificates(context, &ca)?);
    config.auth_info.token =
        user::token_file(&credentials.join("token")).map_err(|source| KubeconfigError::Token {
            context: context.to_owned(),
            source,
        })?;
    Ok(Target {
        context: context.to_owned(),
        choice: ContextChoice::Pod,
        cluster: String::new(),
        config,
        // There is no plugin to run.
        terminal: false,
        environment: Vec::new(),
    })
}

/// Reads a URL. kubectl takes a server without a scheme as http://; kb rather
/// asks, because a private key is about to travel there.
fn url(
    what: &'static str,
    schemes: &'static [&'static str],
    value: &str,
) -> Result<http::Uri, KubeconfigError> {
    let uri: Option<http::Uri> = value.parse().ok();
    let known = |uri: &http::Uri| {
        let scheme = uri.scheme_str().unwrap_or_default();
        schemes.contains(&scheme) && uri.host().is_some()
    };
    uri.filter(known)
        .ok_or(KubeconfigError::Url { what, schemes })
}

/// A server's URL with scheme, host, port and path alone. A user, a password or a token in
/// it are not sent, so no error of any library can show them.
fn without_secrets(server: http::Uri) -> Result<http::Uri, KubeconfigError> {
    let mut parts = server.into_parts();
    let host = parts.authority.take().and_then(|authority| {
        let text = authority.as_str();
        let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
        host.parse().ok()
    });
    let path = parts.path_and_query.take();
    let path = path.map_or_else(|| "/".to_owned(), |both| both.path().to_owned());
    parts.authority = host;
    parts.path_and_query = path.parse().ok();
    http::Uri::from_parts(parts).map_err(|_| KubeconfigError::Url {
        what: "the server in the kubeconfig",
        schemes: SERVER_SCHEMES,
    })
}

/// Whether the kubeconfig has an authority for this cluster, as data or as a file.
fn names_authority(cluster: &Cluster) -> bool {
    let data = cluster.certificate_authority_data.as_deref();
    let file = cluster.certificate_authority.as_deref();
    data.is_some_and(|data| !data.is_empty()) || file.is_some_and(names_a_file)
}

fn certificate_authority(
    context: &str,
    cluster: &Cluster,
) -> Result<Option<Vec<Vec<u8>>>, KubeconfigError> {
    let error = |reason: String| KubeconfigError::CertificateAuthority {
        context: context.to_owned(),
        reason,
    };
    let pem = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) if !data.is_empty() => STANDARD
            .decode(unwrapped(data))
            .map_err(|source| error(format!("certificate-authority-data: {source}")))?,
        (_, Some(path)) if names_a_file(path) => {
            regular_file::read(Path::new(path), LARGEST_CONFIG)
                .map_err(|source| error(format!("{path}: {source}")))?
        }
        _ => return Ok(None),
    };
    certificates(context, &pem).map(Some)
}

fn certificates(context: &str, pem: &[u8]) -> Result<Vec<Vec<u8>>, KubeconfigError> {
    let error = |reason: String| KubeconfigError::CertificateAuthority {
        context: context.to_owned(),
        reason,
    };
    let certificates = CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|der| der.as_ref().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| error(source.to_string()))?;
    if certificates.is_empty() {
        return Err(error("there is no certificate in it".to_owned()));
    }
    Ok(certificates)
}
