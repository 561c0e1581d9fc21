//! Opens the connection to the API server.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use http_body_util::Limited;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use secrecy::ExposeSecret;
use tower::{ServiceBuilder, ServiceExt};

use super::error::ClusterError;
use super::kubeconfig::{ClusterTarget, user_in};
use super::resolver::Resolver;
use super::retry::Retry;

/// How long one address of a server with several gets before the next is
/// tried beside it (RFC 8305 recommends 250 ms).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// No answer of an API server to kb is larger, in bytes: a Secret has 1 MiB at most, and
/// ten thousand Kustomizations some 30 MiB.
pub(super) const LARGEST_ANSWER: usize = 64 << 20;

/// Builds kube's client on a connection without Nagle's algorithm. `limit` is how long a
/// request may take.
///
/// kube's own connector leaves `TCP_NODELAY` off, and a small request then
/// waits some 45 ms for the server's delayed acknowledgement: three times what
/// the rest of kb takes. It also looks up names on tokio's threads, which panics where the
/// system gives none, and reads an answer of any length into memory.
///
/// # Errors
/// When the kubeconfig's certificates, key or server name do not load.
pub(super) fn build(
    target: &ClusterTarget,
    limit: Option<Duration>,
) -> Result<kube::Client, ClusterError> {
    let built = connect(&target.config, limit);
    built.map_err(|source| ClusterError::Credentials {
        context: target.context.clone(),
        source: Box::new(source),
    })
}

fn connect(config: &kube::Config, limit: Option<Duration>) -> kube::Result<kube::Client> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_happy_eyeballs_timeout(Some(NEXT_ADDRESS_AFTER));
    let Some(proxy) = config.proxy_url.clone() else {
        let tls = config.rustls_https_connector_with_connector(tcp)?;
        return client(config, tls, limit);
    };
    match proxy.scheme_str() {
        // Both leave looking up names to the proxy, as in Go.
        Some("socks5" | "socks5h") => {
            let user = user_in(&proxy);
            let mut socks = SocksV5::new(proxy, tcp);
            if let Some((name, password)) = user {
                socks = socks.with_auth(name, password.expose_secret().to_owned());
            }
            let tls = config.rustls_https_connector_with_connector(socks)?;
            client(config, tls, limit)
        }
        Some("https") => {
            let to_proxy = config.rustls_https_connector_with_connector(tcp)?;
            let tunnel = tunnel(&proxy, to_proxy);
            let tls = config.rustls_https_connector_with_connector(tunnel)?;
            client(config, tls, limit)
        }
        _ => {
            let tunnel = tunnel(&proxy, tcp);
            let tls = config.rustls_https_connector_with_connector(tunnel)?;
            client(config, tls, limit)
        }
    }
}

/// A connection through an HTTP proxy, with the user and the password of its URL.
fn tunnel<C>(proxy: &Uri, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), connector);
    let header = user_in(proxy).and_then(|(name, password)| {
        let user = format!("{name}:{}", password.expose_secret());
        let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(user))).ok()?;
        header.set_sensitive(true);
        Some(header)
    });
    match header {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

fn client<C>(
    config: &kube::Config,
    connector: C,
    limit: Option<Duration>,
) -> kube::Result<kube::Client>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let http: HttpClient<C, Body> = HttpClient::builder(TokioExecutor::new()).build(connector);
    // kube's own retry is left out: it repeats a creation whose answer was lost, and takes
    // its own Secret for someone else's. A person can repeat the command.
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .map_response(|answer: http::Response<_>| {
            answer.map(|body| Limited::new(body, LARGEST_ANSWER))
        })
        .service(http);
    let service = Retry::new(service.boxed_clone(), limit);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}
