//! From a context to a connection, with the checks and the precedence of client-go
//! (`clientcmd/validation.go`, `clientcmd/client_config.go`, `transport`).

use std::net::IpAddr;
use std::path::Path;

use http::Uri;
use http::uri::Scheme;
use kube::config::Config;
use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};

use super::file::{ClusterEntry, ContextEntry, KubeconfigFile, NamedEntry};
use super::login::{self, Checked, check_user, data_or_file, impersonate, log_in};
use super::{ClusterTarget, ContextChoice, KubeconfigError, KubeconfigSource, find};
use crate::core::cluster::proxy;
use crate::core::regular_file::{self, LARGEST_CONFIG};

/// Where Kubernetes puts a pod's credentials.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

pub(super) fn of_context(
    files: &[KubeconfigFile],
    context: (&KubeconfigFile, &NamedEntry<ContextEntry>),
    choice: ContextChoice,
    source: &KubeconfigSource,
) -> Result<ClusterTarget, KubeconfigError> {
    let ContextEntry { cluster, user } = &context.1.value;
    let login = find(files, |file| &file.users, user);
    if let Some(login) = login {
        check_user(&login.1.value).map_err(fault("user", login))?;
    }
    let Some(found) = find(files, |file| &file.clusters, cluster) else {
        let reason = format!("its cluster \"{cluster}\" is not in the kubeconfig");
        return Err(fault("context", context)(reason));
    };
    let in_cluster = fault("cluster", found);
    let settings = &found.1.value;
    check_cluster(settings).map_err(&in_cluster)?;
    let server = server(&settings.server).map_err(&in_cluster)?;
    let mut config = Config::new(without_user(&server));
    config.proxy_url = match settings.proxy_url.as_str() {
        "" => proxy::of_environment(&config.cluster_url, &source.proxy)?,
        url => proxy::of_kubeconfig(url),
    };
    let mut exec = None;
    let user_in_url = user_in(&server);
    // client-go sends no credentials without TLS, and does not look at certificates.
    if config.cluster_url.scheme() == Some(&Scheme::HTTPS) {
        // kubectl asks on the terminal for the username and password of one without any.
        let Some(login) = login else {
            let reason = match user.as_str() {
                "" => "it has no user".to_owned(),
                user => format!("its user \"{user}\" is not in the kubeconfig"),
            };
            return Err(fault("context", context)(reason));
        };
        let logged_in = log_in(&login.1.value, user_in_url.is_some());
        (config.auth_info, exec) = logged_in.map_err(fault("user", login))?;
        if settings.insecure_skip_tls_verify && has_authority(settings) {
            return Err(KubeconfigError::InsecureWithAuthority {
                path: found.0.path.clone(),
                line: found.1.line,
                cluster: found.1.name.clone(),
            });
        }
        let data = &settings.certificate_authority_data;
        let authority = data_or_file(data, &settings.certificate_authority);
        let authority = authority.map_err(&in_cluster)?;
        if let Some(exec) = &mut exec
            && exec.provide_cluster_info
        {
            exec.cluster = Some(login::cluster_info(
                settings,
                authority.as_deref().map(Vec::as_slice),
            ));
        }
        let root_cert = authority.map(|pem| certificates(&pem)).transpose();
        let in_authority = |reason| in_cluster(format!("certificate-authority: {reason}"));
        config.root_cert = root_cert.map_err(in_authority)?;
        config.accept_invalid_certs = settings.insecure_skip_tls_verify;
        let name = Some(settings.tls_server_name.clone());
        config.tls_server_name = name.filter(|name| !name.is_empty());
    }
    // Go's HTTP client sends it, also without TLS.
    if let Some((username, password)) = user_in_url {
        config.auth_info.username = Some(username);
        config.auth_info.password = Some(password);
    }
    if let Some(login) = login {
        impersonate(&login.1.value, &mut config.auth_info);
    }
    Ok(ClusterTarget {
        context: context.1.name.clone(),
        choice,
        cluster: cluster.clone(),
        config,
        exec,
        terminal: source.terminal,
        environment: source.environment.clone(),
    })
}

/// The pod that kb runs in.
pub(super) fn in_cluster(
    (host, port): &(String, String),
    source: &KubeconfigSource,
) -> Result<ClusterTarget, KubeconfigError> {
    let failed = |reason: String| KubeconfigError::InCluster { reason };
    let credentials = Path::new(SERVICE_ACCOUNT);
    let token = login::token_file(&credentials.join("token"));
    let token = token.and_then(|token| login::bearer(token.expose_secret()));
    let token = token.map_err(failed)?;
    let url = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("https://[{host}]:{port}"),
        _ => format!("https://{host}:{port}"),
    };
    let server = server(&url);
    let named = |reason| failed(format!("KUBERNETES_SERVICE_HOST: {reason}"));
    let mut config = Config::new(server.map_err(named)?);
    config.proxy_url = proxy::of_environment(&config.cluster_url, &source.proxy)?;
    let authority = credentials.join("ca.crt");
    let in_authority = |reason| failed(format!("{}: {reason}", authority.display()));
    let pem = regular_file::read(&authority, LARGEST_CONFIG);
    let pem = pem.map_err(|error| in_authority(error.to_string()))?;
    config.root_cert = Some(certificates(&pem).map_err(in_authority)?);
    config.auth_info.token = Some(token);
    Ok(ClusterTarget {
        context: "in-cluster".to_owned(),
        choice: ContextChoice::Pod,
        cluster: String::new(),
        config,
        exec: None,
        // For plugins, and a pod has none.
        terminal: false,
        environment: Vec::new(),
    })
}

/// Makes an error of what is wrong with an entry.
fn fault<T>(
    kind: &'static str,
    (file, entry): (&KubeconfigFile, &NamedEntry<T>),
) -> impl Fn(String) -> KubeconfigError {
    let (path, line) = (file.path.clone(), entry.line);
    let shown = format!("{kind} \"{}\"", entry.name);
    move |reason| KubeconfigError::Entry {
        path: path.clone(),
        line,
        reason: format!("{shown}: {reason}"),
    }
}

fn has_authority(cluster: &ClusterEntry) -> bool {
    !cluster.certificate_authority.is_empty() || !cluster.certificate_authority_data.is_empty()
}

/// `validateClusterInfo`.
fn check_cluster(cluster: &ClusterEntry) -> Checked<()> {
    if cluster.server.is_empty() {
        return Err("it has no server".to_owned());
    }
    if !cluster.proxy_url.is_empty() && proxy::of_kubeconfig(&cluster.proxy_url).is_none() {
        return Err(
            "proxy-url is not a URL that begins with http:// or https:// or socks5://".to_owned(),
        );
    }
    let authority = &cluster.certificate_authority;
    if authority.is_empty() {
        return Ok(());
    }
    if !cluster.certificate_authority_data.is_empty() {
        return Err(
            "certificate-authority-data and certificate-authority are both specified".to_owned(),
        );
    }
    login::check_readable("certificate-authority", authority)
}

/// Reads a server's URL. kubectl takes one without a scheme for http://, which is hardly
/// what is meant.
fn server(text: &str) -> Checked<Uri> {
    let uri = proxy::with_lower_scheme(text).parse::<Uri>();
    let uri = uri.ok().filter(|uri| {
        let scheme = uri.scheme();
        let is_known = scheme == Some(&Scheme::HTTPS) || scheme == Some(&Scheme::HTTP);
        is_known && uri.host().is_some_and(|host| !host.is_empty())
    });
    uri.ok_or_else(|| "its server is not a URL that begins with https:// or http://".to_owned())
}

/// A server's URL with scheme, host, port and path alone: no error of any library can show
/// a password.
fn without_user(server: &Uri) -> Uri {
    let mut parts = server.clone().into_parts();
    let host = parts.authority.take().and_then(|authority| {
        let text = authority.as_str();
        let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
        host.parse().ok()
    });
    parts.authority = host;
    parts.path_and_query = server.path().parse().ok();
    Uri::from_parts(parts).unwrap_or_default()
}

/// The user and the password in a URL.
pub fn user_in(url: &Uri) -> Option<(String, SecretString)> {
    let (user, _) = url.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(name), decode(password).into()))
}

/// The certificates of a bundle. Blocks that are not certificates are ignored, as client-go
/// does.
fn certificates(pem: &[u8]) -> Checked<Vec<Vec<u8>>> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    let valid = certificates.filter(|der| RootCertStore::empty().add(der.clone()).is_ok());
    let certificates: Vec<_> = valid.map(|der| der.to_vec()).collect();
    match certificates.is_empty() {
        true => Err("there is no valid certificate in it".to_owned()),
        false => Ok(certificates),
    }
}
