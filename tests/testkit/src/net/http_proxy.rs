//! An HTTP proxy that knows CONNECT, as TLS goes through it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::LoopbackServer;
use super::relay::relay;

/// Serves `CONNECT host:port` (RFC 9110, 9.3.6) and nothing else.
#[derive(Debug)]
pub struct HttpProxy {
    server: LoopbackServer,
    targets: Arc<Mutex<Vec<String>>>,
    user_info: String,
}

impl HttpProxy {
    /// Starts one that serves everybody.
    #[must_use]
    pub fn start() -> Self {
        Self::new(None)
    }

    /// Starts one that answers 407 unless it is given this name and password
    /// (Basic, RFC 7617).
    #[must_use]
    pub fn with_password(user: &str, password: &str) -> Self {
        Self::new(Some((user, password)))
    }

    fn new(login: Option<(&str, &str)>) -> Self {
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        let user_info = login.map_or_else(String::new, |(user, password)| {
            format!("{}:{}@", percent_encoded(user), percent_encoded(password))
        });
        let expected = login.map(|(user, password)| {
            let login = STANDARD.encode(format!("{user}:{password}"));
            format!("Basic {login}")
        });
        let server = LoopbackServer::start(move |stream| {
            let _ = serve(stream, expected.as_deref(), &seen);
        });
        Self {
            server,
            targets,
            user_info,
        }
    }

    /// `http://127.0.0.1:PORT`, with name and password if it wants them.
    pub fn url(&self) -> String {
        format!("http://{}127.0.0.1:{}", self.user_info, self.port())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// How many connections it has accepted, refused ones included.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The targets, `host:port`, of all CONNECT requests that it served.
    pub fn targets(&self) -> Vec<String> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.clone()
    }
}

/// As RFC 3986 wants it before an `@`: every byte that is not plain, escaped.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn serve(
    mut stream: TcpStream,
    expected: Option<&str>,
    targets: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let head = read_head(&mut stream)?;
    let mut lines = head.lines();
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (Some("CONNECT"), Some(target)) = (request.next(), request.next()) else {
        return refuse(&mut stream, "405 Method Not Allowed", "Allow: CONNECT\r\n");
    };
    let login = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
        .map(|(_, value)| value.trim());
    if expected.is_some() && login != expected {
        let challenge = "Proxy-Authenticate: Basic realm=\"kb-test\"\r\n";
        return refuse(&mut stream, "407 Proxy Authentication Required", challenge);
    }
    let Ok(far) = TcpStream::connect(target) else {
        return refuse(&mut stream, "502 Bad Gateway", "");
    };
    targets
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(target.to_owned());
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    relay(&stream, &far)
}

/// The request up to the empty line. Byte by byte, since what follows it is
/// the tunnel's.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > 16 * 1024 {
            return Err(io::Error::other("a request head without end"));
        }
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn refuse(stream: &mut TcpStream, status: &str, header: &str) -> io::Result<()> {
    let answer =
        format!("HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes())
}
