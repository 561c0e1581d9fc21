//! Servers that write down who asks them, with what credentials, and refuse it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};
use testkit::Pki;

/// A request, as far as it depends on a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Which of the servers was asked.
    server: &'static str,
    /// The name in the TLS handshake.
    name: Option<String>,
    certificate: Option<Vec<u8>>,
    /// What the path begins with, before that of the API.
    prefix: String,
    /// The headers that say who asks, sorted.
    headers: Vec<String>,
}

/// What a server has seen.
type Log = Arc<Mutex<Vec<Seen>>>;

/// Servers with certificates of two authorities, and one without TLS.
pub(super) struct Recorders {
    pub(super) first: u16,
    pub(super) second: u16,
    pub(super) plain: u16,
    log: Log,
}

impl Recorders {
    pub(super) fn start(first: &Pki, second: &Pki) -> Self {
        let log = Log::default();
        Self {
            first: listen("first", Some(first), &log),
            second: listen("second", Some(second), &log),
            plain: listen("plain", None, &log),
            log,
        }
    }

    /// The first request since this was last called.
    pub(super) fn take(&self) -> Option<Seen> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *log).into_iter().next()
    }
}

/// Serves until the process ends.
fn listen(server: &'static str, pki: Option<&Pki>, log: &Log) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let config = pki.map(|pki| Arc::new(config(pki)));
    let log = Arc::clone(log);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let (config, log) = (config.clone(), Arc::clone(&log));
            thread::spawn(move || record(server, stream, config, &log));
        }
    });
    port
}

fn config(pki: &Pki) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(pki.server_cert.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pki.server_key.as_bytes());
    ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(Arc::new(Anyone(provider)))
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        )
        .expect("a server")
}

fn record(
    server: &'static str,
    stream: TcpStream,
    config: Option<Arc<ServerConfig>>,
    log: &Mutex<Vec<Seen>>,
) {
    let Some(config) = config else {
        return answer(server, stream, log, |_| (None, None));
    };
    let connection = ServerConnection::new(config).expect("a connection");
    answer(
        server,
        StreamOwned::new(connection, stream),
        log,
        |stream| {
            let certificates = stream.conn.peer_certificates().unwrap_or_default();
            let certificate = certificates.first().map(|der| der.to_vec());
            (stream.conn.server_name().map(str::to_owned), certificate)
        },
    );
}

fn answer<S: Read + Write>(
    server: &'static str,
    mut stream: S,
    log: &Mutex<Vec<Seen>>,
    identity: impl Fn(&S) -> (Option<String>, Option<Vec<u8>>),
) {
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(count) => head.extend_from_slice(&part[..count]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let path = path.unwrap_or_default();
    let prefix = ["/version", "/api/"]
        .iter()
        .find_map(|api| path.split_once(api));
    let mut headers: Vec<String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| format!("{}: {}", name.to_ascii_lowercase(), value.trim()))
        .filter(|header| header.starts_with("authorization") || header.starts_with("impersonate"))
        .collect();
    headers.sort();
    let (name, certificate) = identity(&stream);
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.push(Seen {
        server,
        name,
        certificate,
        prefix: prefix.map_or(path, |(prefix, _)| prefix).to_owned(),
        headers,
    });
    drop(log);
    let _ = stream.write_all(
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
          Connection: close\r\n\r\n{}",
    );
    let _ = stream.flush();
}

/// Lets everyone in, with a certificate or without.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
