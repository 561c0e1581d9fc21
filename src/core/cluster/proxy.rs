//! Which proxy leads to the API server.
//!
//! kb chooses it as kubectl does. kube would read the process environment, and
//! hold `NO_PROXY` against the proxy's address instead of the server's.

use std::net::IpAddr;

use hyper_util::client::proxy::matcher::Matcher;

/// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; empty where unset.
#[derive(Clone, Debug, Default)]
pub struct ProxyVariables {
    /// For `https://` servers.
    pub https: String,
    /// For `http://` servers.
    pub http: String,
    /// Hosts to reach directly.
    pub no: String,
}

/// Whether the server is on this machine.
pub(super) fn is_loopback(server: &http::Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The proxy's URL and where it stands, as kubectl chooses it: the kubeconfig's
/// `proxy-url` always, else the environment's, from which loopback and
/// `NO_PROXY` hosts are excepted. `None` is a direct connection.
pub(super) fn choose(
    in_kubeconfig: Option<&str>,
    server: &http::Uri,
    variables: &ProxyVariables,
) -> Option<(&'static str, String)> {
    if let Some(url) = in_kubeconfig.filter(|url| !url.is_empty()) {
        return Some(("the proxy-url in the kubeconfig", url.to_owned()));
    }
    if is_loopback(server) {
        return None;
    }
    let (what, url) = match server.scheme_str() {
        Some("http") => ("HTTP_PROXY", &variables.http),
        _ => ("HTTPS_PROXY", &variables.https),
    };
    // It passes over a proxy that is no URL; only its reading of NO_PROXY is
    // wanted, so that such a proxy is told instead of being gone around.
    let matcher = Matcher::builder()
        .all("http://proxy.invalid")
        .no(variables.no.as_str())
        .build();
    if url.is_empty() || matcher.intercept(server).is_none() {
        return None;
    }
    let scheme = if url.contains("://") { "" } else { "http://" };
    Some((what, format!("{scheme}{url}")))
}
