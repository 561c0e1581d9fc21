//! A SOCKS5 proxy (RFC 1928), without login or with a password (RFC 1929).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::LoopbackServer;
use super::relay::relay;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

const SUCCEEDED: u8 = 0;
const CONNECTION_REFUSED: u8 = 5;
const COMMAND_NOT_SUPPORTED: u8 = 7;
const ADDRESS_TYPE_NOT_SUPPORTED: u8 = 8;

/// Serves the command CONNECT, to addresses and to names.
#[derive(Debug)]
pub struct SocksProxy {
    server: LoopbackServer,
    targets: Arc<Mutex<Vec<String>>>,
}

impl SocksProxy {
    /// Starts it on a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::serving(None)
    }

    /// The same, for one user alone.
    #[must_use]
    pub fn with_password(user: &str, password: &str) -> Self {
        Self::serving(Some([user, password].map(|text| text.as_bytes().to_vec())))
    }

    fn serving(login: Option<[Vec<u8>; 2]>) -> Self {
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        let server = LoopbackServer::start(move |stream| {
            let _ = serve(stream, login.as_ref(), &seen);
        });
        Self { server, targets }
    }

    /// `socks5://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("socks5://127.0.0.1:{}", self.port())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// How many connections it has accepted, refused ones included.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The targets, `host:port`, of all CONNECT requests that it served; the
    /// host as the client gave it, so that a test sees who resolved a name.
    pub fn targets(&self) -> Vec<String> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.clone()
    }
}

fn serve(
    mut stream: TcpStream,
    login: Option<&[Vec<u8>; 2]>,
    targets: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let [version, count] = read(&mut stream)?;
    if version != VERSION {
        return Err(io::Error::other("not SOCKS5"));
    }
    let mut methods = vec![0; usize::from(count)];
    stream.read_exact(&mut methods)?;
    let method = if login.is_some() { PASSWORD } else { NO_LOGIN };
    if !methods.contains(&method) {
        return stream.write_all(&[VERSION, NO_ACCEPTABLE_METHOD]);
    }
    stream.write_all(&[VERSION, method])?;
    if let Some(login) = login {
        let [version] = read(&mut stream)?;
        let given = [text(&mut stream)?, text(&mut stream)?];
        let status = u8::from(given != *login);
        stream.write_all(&[version, status])?;
        if status != 0 {
            return Ok(());
        }
    }

    let [_, command, _, kind] = read(&mut stream)?;
    let host = match kind {
        IPV4 => Ipv4Addr::from(read::<4>(&mut stream)?).to_string(),
        IPV6 => format!("[{}]", Ipv6Addr::from(read::<16>(&mut stream)?)),
        DOMAIN => String::from_utf8(text(&mut stream)?).map_err(io::Error::other)?,
        _ => return answer(&mut stream, ADDRESS_TYPE_NOT_SUPPORTED),
    };
    let port = u16::from_be_bytes(read(&mut stream)?);
    if command != CONNECT {
        return answer(&mut stream, COMMAND_NOT_SUPPORTED);
    }
    let target = format!("{host}:{port}");
    let Ok(far) = TcpStream::connect(&target) else {
        return answer(&mut stream, CONNECTION_REFUSED);
    };
    targets
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(target);
    answer(&mut stream, SUCCEEDED)?;
    relay(&stream, &far)
}

/// A reply; the bound address in it, which nobody uses, is 0.0.0.0:0.
fn answer(stream: &mut TcpStream, code: u8) -> io::Result<()> {
    stream.write_all(&[VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0])
}

fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Bytes behind a byte with their length.
fn text(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let [length] = read(stream)?;
    let mut text = vec![0; usize::from(length)];
    stream.read_exact(&mut text)?;
    Ok(text)
}
