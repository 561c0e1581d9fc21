//! Opens the connection to the API server.

use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use tower::ServiceBuilder;

use super::error::ClusterError;
use super::kubeconfig::Target;

/// How long one address of a server with several gets before the next is
/// tried beside it (RFC 8305 recommends 250 ms).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Builds kube's client on a connection without Nagle's algorithm.
///
/// kube's own connector leaves `TCP_NODELAY` off, and a small request then
/// waits some 45 ms for the server's delayed acknowledgement: three times what
/// the rest of kb takes. Where a proxy is configured, kube's own stack is used.
///
/// # Errors
/// When the kubeconfig's certificates, key or server name do not load.
pub(super) fn build(target: &Target) -> Result<kube::Client, ClusterError> {
    let mut config = target.config.clone();
    // A creation that is repeated after a lost answer would find its own Secret
    // and take it for someone else's. A person can repeat the command.
    config.default_retry = false;
    let invalid = |source| ClusterError::Credentials {
        context: target.context.clone(),
        source: Box::new(source),
    };
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config).map_err(invalid);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_happy_eyeballs_timeout(Some(NEXT_ADDRESS_AFTER));
    let tls = config
        .rustls_https_connector_with_connector(tcp)
        .map_err(invalid)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(invalid)?)
        .layer(config.extra_headers_layer().map_err(invalid)?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(kube::Client::new(service, config.default_namespace))
}
