//! Which proxy leads to the API server.
//!
//! kb chooses it as kubectl does: the kubeconfig's `proxy-url`, else that of the environment
//! as Go reads it (`golang.org/x/net/http/httpproxy`). kube would read the process
//! environment, and compare `NO_PROXY` with the proxy's address instead of the server's.

use std::net::IpAddr;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

/// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; empty where unset.
#[derive(Clone, Debug, Default)]
pub struct ProxyVariables {
    /// For `https://` servers.
    pub https: String,
    /// For `http://` servers.
    pub http: String,
    /// Hosts to reach directly.
    pub no: String,
    /// Whether kb runs for a web server (`REQUEST_METHOD` is set): the header `Proxy` of a
    /// request is `HTTP_PROXY` there.
    pub cgi: bool,
}

/// A proxy of the environment that cannot be used. It is not repeated: it may contain a
/// password. Go connects directly instead; someone who set a proxy does not want that.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It is not the URL of a proxy.
    #[error(
        "{variable} is not a URL that begins with http:// or https:// or socks5:// or socks5h://"
    )]
    Url {
        /// The variable.
        variable: &'static str,
    },
    /// Anyone who sends a request could have set it.
    #[error("HTTP_PROXY is not used where REQUEST_METHOD is set (golang.org/s/cgihttpproxy)")]
    Cgi,
}

/// Whether the server is on this machine.
pub(super) fn is_loopback(server: &Uri) -> bool {
    let host = host(server);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The `proxy-url` of a kubeconfig; `None` if it is not one.
pub(super) fn of_kubeconfig(url: &str) -> Option<Uri> {
    parse(url).filter(|url| url.scheme_str() != Some("socks5h"))
}

/// The environment's proxy for a server. `None` is a direct connection.
///
/// # Errors
/// [`ProxyError`], if the server is to be reached through a proxy that cannot be used.
pub fn of_environment(server: &Uri, variables: &ProxyVariables) -> Result<Option<Uri>, ProxyError> {
    let is_https = server.scheme() == Some(&Scheme::HTTPS);
    let (variable, url) = match is_https {
        true => ("HTTPS_PROXY", &variables.https),
        false => ("HTTP_PROXY", &variables.http),
    };
    if url.is_empty() {
        return Ok(None);
    }
    if !is_https && variables.cgi {
        return Err(ProxyError::Cgi);
    }
    if is_excepted(server, &variables.no) {
        return Ok(None);
    }
    let proxy = match url.split_once("://") {
        Some(_) => parse(url),
        None => parse(&format!("http://{url}")),
    };
    proxy.map(Some).ok_or(ProxyError::Url { variable })
}

/// A proxy's URL, with its port and without a path.
fn parse(url: &str) -> Option<Uri> {
    let uri: Uri = with_lower_scheme(url).parse().ok()?;
    let port = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        "socks5" | "socks5h" => 1080,
        _ => return None,
    };
    if uri.host()?.is_empty() {
        return None;
    }
    let mut parts = uri.into_parts();
    let authority = parts.authority?;
    if authority.port().is_none() {
        let text = authority.as_str().trim_end_matches(':');
        parts.authority = Some(format!("{text}:{port}").parse().ok()?);
    } else {
        authority.port_u16()?;
        parts.authority = Some(authority);
    }
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).ok()
}

/// Go's URLs begin with a scheme in any case.
pub(super) fn with_lower_scheme(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
        None => url.to_owned(),
    }
}

fn host(server: &Uri) -> &str {
    server.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// Whether a server is reached directly, whatever the proxy (`useProxy`).
fn is_excepted(server: &Uri, no_proxy: &str) -> bool {
    let host = host(server);
    let ip = ip(host);
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    let port = match server.port_u16() {
        Some(port) => port.to_string(),
        None if server.scheme() == Some(&Scheme::HTTPS) => "443".to_owned(),
        None => "80".to_owned(),
    };
    let host = host.to_lowercase();
    let entries = no_proxy.split(',').map(|entry| entry.trim().to_lowercase());
    entries
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == "*" || matches(&entry, &host, ip, &port))
}

/// Whether an entry of `NO_PROXY` is for a host, or an address, at a port.
fn matches(entry: &str, host: &str, ip: Option<IpAddr>, port: &str) -> bool {
    if let Some((network, length)) = network(entry) {
        return ip.is_some_and(|ip| is_in(ip, network, length));
    }
    let (name, only_port) = split_port(entry).unwrap_or((entry, ""));
    let is_port = only_port.is_empty() || only_port == port;
    if let Some(entry) = self::ip(name) {
        return ip == Some(entry) && is_port;
    }
    if ip.is_some() || name.is_empty() {
        return false;
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    let is_host = match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|sub| sub.ends_with('.'))
        }
    };
    is_host && is_port
}

/// An address; one of IPv4 that is written as IPv6 is the same.
fn ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// `10.0.0.0/8`
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (ip, length) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u32 = length.parse().ok().filter(|_| is_number)?;
    (length <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, length))
}

fn is_in(ip: IpAddr, network: IpAddr, length: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let differing = ip.to_bits() ^ network.to_bits();
            differing.checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let differing = ip.to_bits() ^ network.to_bits();
            differing.checked_shr(128 - length).unwrap_or(0) == 0
        }
        // A network of mapped addresses.
        (IpAddr::V4(ip), IpAddr::V6(network)) => {
            let mapped = network.to_ipv4_mapped().filter(|_| length >= 96);
            mapped.is_some_and(|network| is_in(ip.into(), network.into(), length - 96))
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// `net.SplitHostPort`; the brackets of IPv6 are taken off.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']')?;
        let is_plain = !inside.contains(['[', ']']) && !port.contains(['[', ']']);
        return is_plain.then_some((inside, port));
    }
    (!text.contains(['[', ']']) && !host.contains(':')).then_some((host, port))
}
