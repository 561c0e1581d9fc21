//! The proxies and the servers that misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::Cluster;
use testkit::net::{HttpProxy, SilentServer, SocksProxy, refused_port};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

/// Asks a real API server for its version through a proxy; what came instead
/// if it did not come.
fn version_through(proxy: &str, host: &str) -> Result<String, String> {
    let cluster = Cluster::shared();
    let ca = Certificate::from_pem(cluster.ca_pem().as_bytes()).expect("a CA in PEM");
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[ca]))
        .build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .proxy(Some(Proxy::new(proxy).expect("a proxy's URL")))
        .build()
        .new_agent();
    let answer = agent
        .get(format!("https://{host}:{}/version", cluster.port()))
        .call();
    let mut answer = answer.map_err(|error| error.to_string())?;
    answer
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())
}

#[test]
fn http_proxy_carries_a_request() {
    let proxy = HttpProxy::start();
    let version = version_through(&proxy.url(), "127.0.0.1").expect("an answer");
    assert!(version.contains("gitVersion"), "{version}");
    assert_eq!(proxy.connections(), 1);
    let port = Cluster::shared().port();
    assert_eq!(proxy.targets(), [format!("127.0.0.1:{port}")]);
}

#[test]
fn http_proxy_with_password_refuses_without() {
    let proxy = HttpProxy::with_password("user", "secret");
    let version = version_through(&proxy.url(), "127.0.0.1").expect("an answer");
    assert!(version.contains("gitVersion"), "{version}");

    let bare = format!("http://127.0.0.1:{}", proxy.port());
    let error = version_through(&bare, "127.0.0.1").expect_err("it is refused");
    assert!(error.contains("407"), "{error}");
    assert_eq!(proxy.targets().len(), 1);
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn socks_proxy_carries_a_request_to_an_address_and_to_a_name() {
    let proxy = SocksProxy::start();
    for (scheme, host) in [("socks5", "127.0.0.1"), ("socks5h", "localhost")] {
        let url = format!("{scheme}://127.0.0.1:{}", proxy.port());
        let version = version_through(&url, host).expect("an answer");
        assert!(version.contains("gitVersion"), "{version}");
    }
    let port = Cluster::shared().port();
    let expected = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    assert_eq!(proxy.targets(), expected);
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn silent_server_accepts_and_says_nothing_until_it_is_dropped() {
    let server = SilentServer::start();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it accepts");
    stream.write_all(b"hello?\r\n\r\n").expect("it reads");
    let timeout = Duration::from_millis(200);
    stream.set_read_timeout(Some(timeout)).expect("a timeout");
    let mut byte = [0];
    let error = stream.read(&mut byte).expect_err("it says nothing");
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    assert_eq!(server.connections(), 1);

    let port = server.port();
    drop(server);
    stream.set_read_timeout(None).expect("no timeout");
    assert!(matches!(stream.read(&mut byte), Ok(0) | Err(_)));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn refused_port_refuses() {
    let error = TcpStream::connect(("127.0.0.1", refused_port())).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
